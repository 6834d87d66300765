import { readFileSync } from "node:fs";
import { parse, validate } from "graphql";
import { describe, expect, test } from "vitest";
import { validateAction } from "../../src/actions/validate-action.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { parseExpression } from "../../src/expressions/expression.ts";
import { checkDocument } from "../../src/playbooks/check-document.ts";
import { graphOf } from "../../src/playbooks/graph.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { schema } from "../../src/schema.ts";

function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, block = ""]) => block);
}

describe("the examples of docs/definitions.md", () => {
  const [definition = "", conditions = ""] = blocksOf("definitions.md", "json");
  const files = [{ path: "block-ip.mjs", content: "" }];

  test("make a valid definition, with the conditions too", () => {
    const plain = JSON.parse(definition) as JsonObject;
    const whole = { ...plain, ...(JSON.parse(`{${conditions}}`) as JsonObject) };
    expect(Object.keys(whole)).toContain("conditions");
    for (const given of [plain, whole])
      expect(validateAction({ definition: given, files })).toMatchObject({ issues: [] });
  });
});

describe("the examples of docs/approvals.md", () => {
  test("are what the schema accepts, and what can be read", () => {
    const [operation = ""] = blocksOf("approvals.md", "graphql");
    expect(validate(schema, parse(operation))).toEqual([]);
    const [effect = ""] = blocksOf("approvals.md", "json");
    expect((JSON.parse(effect) as { steps: unknown[] }).steps).toHaveLength(2);
  });
});

describe("the examples of docs/opservant.md", () => {
  test("are what the schema accepts", () => {
    const operations = blocksOf("opservant.md", "graphql");
    expect(operations).toHaveLength(1);
    for (const operation of operations) expect(validate(schema, parse(operation))).toEqual([]);
  });
});

describe("the examples of docs/live-actions.md", () => {
  test("are what the schema accepts", () => {
    const operations = blocksOf("live-actions.md", "graphql");
    expect(operations).toHaveLength(1);
    for (const operation of operations) expect(validate(schema, parse(operation))).toEqual([]);
  });
});

describe("the examples of docs/playbooks.md", () => {
  test("make a valid playbook, in which the fallback is not the next step", () => {
    const [source = ""] = blocksOf("playbooks.md", "yaml");
    const read = readSource(source);
    expect(checkDocument(read).issues).toEqual([]);
    expect(graphOf(read.document ?? {}).edges).toContainEqual({
      from: "block",
      to: null,
      on: "SUCCESS",
      isImplicit: true,
    });
  });

  test("ask people for consent, and go on without it to the next shift only", () => {
    const source = blocksOf("playbooks.md", "yaml").find((block) => block.includes("consent"));
    const read = readSource(source ?? "");
    const { issues, warnings } = checkDocument(read);
    expect(issues).toEqual([]);
    expect(warnings.map(({ code }) => code)).toEqual(["failure_hidden"]);
    const after = graphOf(read.document ?? {}).edges.filter(({ from }) => from === "consent");
    expect(after.map(({ on, to }) => `${on} ${to}`)).toEqual([
      "SUCCESS patch",
      "FAILURE end-of-shift",
      "TIMEOUT end-of-shift",
    ]);
  });

  test("are triggers that a playbook can have", () => {
    const [whole = "", ...others] = blocksOf("playbooks.md", "yaml");
    const triggers = others.filter((block) => block.startsWith("trigger:\n"));
    expect(triggers).toHaveLength(2);
    for (const trigger of triggers) {
      const read = readSource(whole.replace("trigger:\n  event: finding.new\n", trigger));
      expect(read.document?.["trigger"]).not.toEqual({ event: "finding.new" });
      expect(checkDocument(read).issues).toEqual([]);
    }
  });

  test("are expressions that can be read", () => {
    const [lines = ""] = blocksOf("playbooks.md", "text");
    const expressions = lines.trim().split("\n");
    expect(expressions).toHaveLength(3);
    for (const expression of expressions) expect(() => parseExpression(expression)).not.toThrow();
  });
});
