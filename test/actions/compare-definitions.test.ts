import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bumpIssues, requiredBump } from "../../src/actions/compare-definitions.ts";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { compareVersions, parseVersion } from "../../src/actions/version.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { blockIp, checked, file, localAction, remoteAction } from "./definitions.ts";

function action(parameters: readonly JsonObject[], changes: { readonly [field: string]: Json } = {}): ActionDefinition {
  return checked(remoteAction({ parameters, ...changes }));
}

const text = { name: "a", type: "string" };
const rule = (validation: JsonObject) => ({ ...text, validation });
const whole = (validation: JsonObject) => ({ name: "a", type: "integer", validation });
const choice = (...allowed_values: string[]) => ({ name: "a", type: "enum", validation: { allowed_values } });

describe("what a change needs", () => {
  test.each<[string, JsonObject[], JsonObject[], string]>([
    ["a label", [text], [{ ...text, label: "A" }], "patch"],
    ["a description", [text], [{ ...text, description: "A" }], "patch"],
    ["the order", [text, { ...text, name: "b" }], [{ ...text, name: "b" }, text], "patch"],
    ["a new optional parameter", [text], [text, { ...text, name: "b" }], "minor"],
    ["a parameter that is required no more", [{ ...text, required: true }], [text], "minor"],
    [
      "a default for a required one",
      [{ ...text, required: true }],
      [{ ...text, required: true, default: "x" }],
      "minor",
    ],
    ["a pattern less", [rule({ pattern: "x" })], [text], "minor"],
    ["a looser length", [rule({ min_length: 2, max_length: 3 })], [rule({ min_length: 1, max_length: 4 })], "minor"],
    ["looser bounds", [whole({ min: 2, max: 3 })], [whole({ max: 4 })], "minor"],
    ["a further value", [choice("x")], [choice("x", "y")], "minor"],
    ["a parameter less", [text, { ...text, name: "b" }], [text], "major"],
    ["another name", [text], [{ ...text, name: "b" }], "major"],
    ["another type", [text], [{ name: "a", type: "integer" }], "major"],
    ["a parameter that becomes required", [text], [{ ...text, required: true }], "major"],
    ["a new required parameter", [text], [text, { ...text, name: "b", required: true }], "major"],
    ["another default", [{ ...text, default: "x" }], [{ ...text, default: "y" }], "major"],
    ["a default where there was none", [text], [{ ...text, default: "y" }], "major"],
    ["a default less", [{ ...text, default: "x" }], [text], "major"],
    ["another pattern", [rule({ pattern: "x" })], [rule({ pattern: "y" })], "major"],
    ["a new pattern", [text], [rule({ pattern: "y" })], "major"],
    ["a tighter length", [rule({ max_length: 4 })], [rule({ max_length: 3 })], "major"],
    ["a tighter bound", [whole({ min: 1 })], [whole({ min: 2 })], "major"],
    ["a new bound", [whole({})], [whole({ max: 2 })], "major"],
    ["a value less", [choice("x", "y")], [choice("x")], "major"],
    ["another value", [choice("x")], [choice("y")], "major"],
  ])("%s", (_name, before, after, bump) => expect(requiredBump(action(before), action(after)).bump).toBe(bump));

  test.each<[string, JsonObject, JsonObject, string]>([
    ["another URL", { type: "remote", target: "https://a/" }, { type: "remote", target: "https://b/" }, "major"],
    [
      "another method",
      { type: "remote", target: "https://a/" },
      { type: "remote", target: "https://a/", method: "PUT" },
      "major",
    ],
    [
      "the method written out",
      { type: "remote", target: "https://a/" },
      { type: "remote", target: "https://a/", method: "POST" },
      "patch",
    ],
    [
      "another header",
      { type: "remote", target: "https://a/" },
      { type: "remote", target: "https://a/", headers: { A: "b" } },
      "patch",
    ],
  ])("%s", (_name, before, after, bump) =>
    expect(requiredBump(action([], { executor: before }), action([], { executor: after })).bump).toBe(bump),
  );

  test("another type of executor", () => {
    expect(requiredBump(action([]), checked(localAction({ parameters: [] }), [file("block_ip.py")])).bump).toBe(
      "major",
    );
  });

  test("a local script that is renamed", () => {
    const after = localAction({ executor: { type: "local", target: "b.py" } });
    expect(requiredBump(checked(localAction(), [file("block_ip.py")]), checked(after, [file("b.py")])).bump).toBe(
      "patch",
    );
  });

  test("an output variable", () => {
    const [none, one] = [action([]), action([], { output_mapping: { id: "result.id" } })];
    const moved = action([], { output_mapping: { id: "result.data.id" } });
    expect(requiredBump(one, none)).toEqual({ bump: "major", reasons: ["The output variable id was removed."] });
    expect(requiredBump(none, one).bump).toBe("minor");
    expect(requiredBump(one, moved).bump).toBe("patch");
  });

  test("a mapping that callers relied on", () => {
    const needed = [{ ...text, required: true }];
    const mapped = action(needed, { input_mapping: { a: "{{ finding.a }}" } });
    expect(requiredBump(mapped, action(needed)).bump).toBe("major");
  });

  test("texts, times and tags of the action", () => {
    const after = action([text], {
      description: "Other.",
      tags: ["x"],
      timeout_seconds: 1,
      retry: { max_attempts: 2 },
    });
    expect(requiredBump(action([text]), after)).toEqual({ bump: "patch", reasons: [] });
  });

  test("nothing at all is a patch", () => {
    const parameter = fc.oneof(
      fc.record({ name: fc.constant("a"), type: fc.constant("string"), required: fc.boolean(), default: fc.string() }),
      fc.record({ name: fc.constant("a"), type: fc.constant("integer"), default: fc.maxSafeInteger() }),
      fc.record({ name: fc.constant("a"), type: fc.constant("boolean"), default: fc.boolean() }),
    );
    fc.assert(
      fc.property(parameter, fc.constantFrom("GET", "POST"), (value, method) => {
        const one = {
          ...remoteAction({ parameters: [value], executor: { type: "remote", target: "https://a/", method } }),
        };
        const [a, b] = [one, structuredClone(one)] as unknown as [ActionDefinition, ActionDefinition];
        expect(requiredBump(a, b)).toEqual({ bump: "patch", reasons: [] });
      }),
    );
    expect(requiredBump(checked(blockIp), checked(structuredClone(blockIp)))).toEqual({ bump: "patch", reasons: [] });
  });
});

describe("a new version", () => {
  const at = (version: string, parameters: readonly JsonObject[]) => ({
    version: parseVersion(version)!,
    definition: action(parameters, { version }),
  });
  const more = [text, { ...text, name: "b" }];

  test("that is a smaller step than what changed is told which step it needs", () => {
    const { issues } = bumpIssues(at("1.0.1", more), { below: at("1.0.0", [text]) });
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ path: "$.version", code: "version_too_small" });
    expect(issues[0]?.message).toContain("minor step, such as 1.1.0");
  });

  test("that is a large enough step is taken", () => {
    expect(bumpIssues(at("1.1.0", more), { below: at("1.0.0", [text]) }).issues).toEqual([]);
    expect(bumpIssues(at("2.0.0", [text]), { below: at("1.0.0", more) }).issues).toEqual([]);
    expect(bumpIssues(at("1.0.0", [text]), {}).issues).toEqual([]);
  });

  test("that comes to stand before another one warns where that one breaks it", () => {
    const { issues, warnings } = bumpIssues(at("1.1.0", more), {
      below: at("1.0.0", [text]),
      above: at("1.2.0", [text]),
    });
    expect(issues).toEqual([]);
    expect(warnings).toMatchObject([{ path: "$.version", code: "breaks_next_version" }]);
  });
});

describe("a version's number", () => {
  test.each(["1.2", "1.2.3.4", "01.2.3", "1.2.3-rc1", "v1.2.3", "1.2.x", "-1.2.3", "1.2.3 ", "1.2.1000000000", ""])(
    "is not %j",
    (version) => expect(parseVersion(version)).toBeUndefined(),
  );

  test("is compared as numbers", () => {
    expect(compareVersions(parseVersion("1.10.0")!, parseVersion("1.9.9")!)).toBeGreaterThan(0);
    expect(compareVersions(parseVersion("999999999.0.0")!, parseVersion("999999999.0.0")!)).toBe(0);
  });
});
