import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildSchema, parse, validate } from "graphql";
import { describe, expect, test } from "vitest";
import { bounds } from "../../src/agent/bounds.ts";
import { documents } from "../../src/agent/protocol.ts";
import { limits } from "../../src/core/limits.ts";

describe("the agent's program", () => {
  test("sends what the schema accepts", () => {
    const schema = buildSchema(readFileSync(join(import.meta.dirname, "../../schema.graphql"), "utf8"));
    const problems = Object.values(documents).flatMap((document) => validate(schema, parse(document)));
    expect(problems.map(({ message }) => message)).toEqual([]);
  });

  test("stays within what the server takes", () => {
    expect(bounds.logBatchLinesMax).toBeLessThanOrEqual(limits.agentLogLinesMax);
    expect(bounds.outputValuesMax).toBeLessThan(limits.requestValuesMax);
    // What JSON makes of a character takes at most six bytes.
    expect(6 * limits.outputBytesMax).toBeLessThan(limits.webSocketFrameBytesMax);
    expect(6 * (bounds.logBatchBytesMax + limits.logLineBytesMax)).toBeLessThan(limits.webSocketFrameBytesMax);
    // The package in base64, and the arguments.
    expect(bounds.messageBytesMax).toBeGreaterThan(2 * limits.packageBytesMax + 6 * limits.requestBodyBytesMax);
  });
});
