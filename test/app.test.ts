import pino from "pino";
import { describe, expect, test } from "vitest";
import { startTestServer } from "./support/server.ts";

describe("a server on a database that others can share", () => {
  test.each([
    ["says that a key of its own is not enough", undefined, true],
    ["is content with a key that it was given", Buffer.alloc(32, 1).toString("base64"), false],
  ])("%s", async (_name, key, isTold) => {
    const logged: string[] = [];
    const log = pino({}, { write: (line: string) => void logged.push(line) });
    const server = await startTestServer({ config: { SECRETS_KEY: key }, log });
    await server.close();
    expect(logged.some((line) => line.includes("secrets_key.not_shared"))).toBe(isTold);
  });
});
