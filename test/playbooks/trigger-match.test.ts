import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { compareValues } from "../../src/expressions/compare.ts";
import { EventFields, type OccurredEvent } from "../../src/playbooks/event-fields.ts";
import { compileConditions } from "../../src/playbooks/trigger-match.ts";

const matches = (conditions: JsonObject, event: OccurredEvent) => compileConditions(conditions)(new EventFields(event));
/** Of a new finding. */
const holds = (conditions: JsonObject, finding: JsonObject) =>
  matches(conditions, { type: "finding.new", data: { finding } });

describe("a trigger's operators", () => {
  const finding = { severity: "High", cvss: 7.5, title: "Brute force on web-1", ip: "10.1.2.3", tags: ["a", "Prod"] };
  test.each<[JsonObject, boolean]>([
    [{}, true],
    [{ severity: "high" }, true],
    [{ severity: "HIGH", cvss: 7.5 }, true],
    [{ severity: "high", cvss: 7 }, false],
    [{ title: "brute force on web-1" }, false],
    [{ severity: { $eq: "high" } }, true],
    [{ severity: { $eq: 7 } }, true],
    [{ severity: { $ne: "HIGH" } }, false],
    [{ severity: { $in: ["critical", "high"] } }, true],
    [{ severity: { $in: [] } }, false],
    [{ severity: { $nin: ["critical", "high"] } }, false],
    [{ severity: { $nin: [] } }, true],
    [{ severity: { $gte: "medium" } }, true],
    [{ severity: { $gt: "high" } }, false],
    [{ severity: { $lt: "critical", $gt: 4 } }, true],
    [{ severity: { $lte: 6.9 } }, false],
    [{ cvss: { $gte: "high" } }, true],
    [{ cvss: { $gte: "critical" } }, false],
    [{ cvss: { $gt: 7, $lt: 7.5 } }, false],
    [{ title: { $gt: "Alpha" } }, true],
    [{ title: { $gt: 5 } }, false],
    [{ title: { $contains: "force" } }, true],
    [{ title: { $contains: "Force" } }, false],
    [{ tags: { $contains: "Prod" } }, true],
    [{ tags: { $contains: "Pro" } }, false],
    [{ ip: { $contains: "10.0.0.0/8" } }, true],
    [{ ip: { $contains: "10.2.0.0/16" } }, false],
    [{ cvss: { $contains: 7 } }, false],
    [{ title: { $exists: true } }, true],
    [{ owner: { $exists: false } }, true],
    [{ title: { $regex: "(?i)BRUTE" } }, true],
    [{ title: { $regex: "^force" } }, false],
    [{ title: { $regex: "web-\\d+$", $contains: "Brute" } }, true],
    [{ cvss: { $regex: "7" } }, false],
    [{ title: { $not: { $regex: "^force" } } }, true],
    [{ cvss: { $not: { $gte: 5, $lt: 7 } } }, true],
    [{ cvss: { $not: { $gte: 5, $lt: 8 } } }, false],
    [{ $or: [{ severity: "low" }, { cvss: { $gt: 7 } }] }, true],
    [{ $and: [{ severity: "low" }, { cvss: { $gt: 7 } }] }, false],
    [{ $not: { severity: "low", cvss: 7.5 } }, true],
    [{ $not: { severity: "high", cvss: 7.5 } }, false],
    [{ $or: [{ $and: [{ $not: { severity: "low" } }, { title: "x" }] }, { $not: { $or: [{ cvss: 1 }] } }] }, true],
  ])("%j of a finding: %s", (conditions, expected) => {
    expect(holds(conditions, finding)).toBe(expected);
  });

  test.each<[JsonObject, boolean]>([
    [{ owner: null }, true],
    [{ owner: "x" }, false],
    [{ owner: { $ne: "x" } }, true],
    [{ owner: { $nin: ["x", "y"] } }, true],
    [{ owner: { $nin: ["x", null] } }, false],
    [{ owner: { $not: { $gt: 5 } } }, true],
    [{ owner: { $not: { $regex: "x" } } }, true],
    [{ owner: { $gt: 5 } }, false],
    [{ owner: { $lte: 5 } }, false],
    [{ owner: { $contains: "x" } }, false],
    [{ "owner.name": { $ne: "x" } }, true],
    [{ "cvss.base": null }, true],
    [{ $not: { owner: "x" } }, true],
  ])("say of a field that is not there, by %j: %s", (conditions, expected) => {
    expect(holds(conditions, finding)).toBe(expected);
  });

  test("compare whole objects and lists whatever the order of keys", () => {
    const nested = { asset: { name: "web", ports: [80, { tls: true, n: 443 }] } };
    expect(holds({ asset: { ports: [80, { n: 443, tls: true }], name: "web" } }, nested)).toBe(true);
    expect(holds({ asset: { name: "web" } }, nested)).toBe(false);
    expect(holds({ "asset.ports": [80, { n: 443, tls: true }] }, nested)).toBe(true);
    expect(holds({ "asset.ports": { $in: [{ tls: true, n: 443 }] } }, nested)).toBe(true);
    expect(holds({ asset: { $not: { name: "web" } } }, nested)).toBe(true);
  });

  test("say of equality what expressions say", () => {
    const scalar = fc.constantFrom<Json>(
      "high",
      "HIGH",
      "Info",
      "urgent",
      "",
      "9",
      9,
      7,
      0,
      0.1,
      -0,
      5,
      true,
      false,
      null,
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ maxDepth: 3 }, scalar, fc.array(tie("any"), { maxLength: 2 }), tie("object")),
      object: fc.dictionary(fc.constantFrom("a", "b"), tie("any"), { maxKeys: 2 }),
    })).any as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(value, value, (left, right) => {
        // A list is equal to what one of its items is, besides: so it is wrapped in an object.
        const wrapped = (of: Json) => (Array.isArray(of) ? { list: of } : of);
        const expected = compareValues(wrapped(left), "==", wrapped(right)) === true;
        expect(holds({ x: { $eq: wrapped(right) } }, { x: wrapped(left) })).toBe(expected);
      }),
    );
  });

  test("say of containing what expressions say", () => {
    const word = fc.constantFrom<Json>(
      "high",
      "HIGH",
      "",
      "hi",
      "10.1.2.3",
      "10.0.0.0/8",
      "::ffff:10.1.2.3",
      "10.1",
      7,
      0.1,
      true,
      null,
    );
    const container = fc.oneof(
      word,
      fc.array(fc.oneof(word, fc.constant<Json>({ a: [7] }), fc.array(word)), { maxLength: 4 }),
    );
    const operand = fc.oneof(word, fc.constant<Json>({ a: [7] }), fc.array(word, { maxLength: 2 }));
    fc.assert(
      fc.property(container, operand, (given, wanted) => {
        expect(holds({ x: { $contains: wanted } }, { x: given })).toBe(
          compareValues(given, "contains", wanted) === true,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("know no other names, not even those of the library that compiles them", () => {
    for (const operator of ["$where", "$expr", "$jsonSchema", "$nor", "$function", "$type", "$matches", "$elemMatch"]) {
      expect(() => compileConditions({ title: { [operator]: "true" } })).toThrow();
    }
    for (const field of ["$where", "$expr", "$jsonSchema", "$function", "$nor", "__proto__"]) {
      expect(() => compileConditions({ [field]: "true" })).toThrow();
      expect(() => compileConditions({ $not: { [field]: "true" } })).toThrow();
    }
  });
});

describe("a field of a trigger", () => {
  test("is looked up in the event's own object first, and then in its data", () => {
    const data = { finding: { status: "open", nested: {} }, status: "closed", scan: { id: 1 }, nested: { a: 1 } };
    const find = (conditions: JsonObject, type = "finding.new") => matches(conditions, { type, data });
    expect(find({ status: "open" })).toBe(true);
    expect(find({ "finding.status": "open", "scan.id": 1 })).toBe(true);
    expect(find({ "nested.a": 1 })).toBe(true);
    expect(find({ status: "closed" }, "scan.completed")).toBe(true);
    expect(find({ id: 1 }, "scan.completed")).toBe(true);
    expect(find({ status: "closed" }, "action.completed")).toBe(true);
  });

  test("is found where an event's data are the fields of the finding themselves", () => {
    const event = { type: "finding.status_changed", data: { finding: "F-1", severity: "high" } };
    expect(matches({ severity: "high", finding: "F-1" }, event)).toBe(true);
  });

  test("of an action's completion is looked up in its data", () => {
    const data = { action: { name: "block-ip", type: "remediation" }, status: "failed", output: { status: "ok" } };
    const conditions = { status: "failed", "action.name": { $in: ["block-ip"] }, "output.status": "ok" };
    expect(matches(conditions, { type: "action.completed", data })).toBe(true);
  });

  test.each<[string, JsonObject, boolean]>([
    ["of the event", { asset: { tags: ["prod"] }, finding: { asset: { tags: ["test"] } } }, true],
    ["of the finding", { finding: { asset: { tags: ["prod"] } } }, true],
    ["of the event, which has none", { asset: {}, finding: { asset: { tags: ["prod"] } } }, false],
    ["that stand in the finding as they are", { finding: { asset_tags: ["prod"] } }, true],
    ["of nothing", { finding: {} }, false],
  ])("named asset_tags means the asset's tags: those %s", (_name, data, expected) => {
    expect(matches({ asset_tags: { $contains: "prod" } }, { type: "finding.new", data })).toBe(expected);
  });

  test("leads through lists as in MongoDB", () => {
    const finding = {
      assets: [{ name: "web", ports: [80, 443] }, { name: "db", ports: [5432] }, {}],
      none: [],
      grid: [[1]],
    };
    const cases: [JsonObject, boolean][] = [
      [{ "assets.name": "db" }, true],
      [{ "assets.name": { $ne: "db" } }, false],
      [{ "assets.name": { $nin: ["mail"] } }, true],
      [{ "assets.name": null }, true],
      [{ "assets.0.name": "web" }, true],
      [{ "assets.0.name": null }, false],
      [{ "assets.1.name": "web" }, false],
      [{ "assets.9.name": { $exists: false } }, true],
      [{ "assets.ports": 443 }, true],
      [{ "assets.ports": [5432] }, true],
      [{ "assets.ports": { $gt: 5000 } }, true],
      [{ "assets.ports": { $contains: 80 } }, true],
      [{ "assets.ports.0": 80 }, true],
      [{ "assets.name": { $regex: "^d" } }, true],
      [{ assets: { $exists: true }, "assets.owner": { $exists: false } }, true],
      [{ "none.name": { $exists: false } }, true],
      [{ "grid.0.0": 1 }, true],
      [{ grid: [1] }, true],
    ];
    for (const [conditions, expected] of cases)
      expect([conditions, holds(conditions, finding)]).toEqual([conditions, expected]);
  });

  test.each([
    "constructor",
    "__proto__.polluted",
    "constructor.name",
    "a.__proto__.b",
    "a.constructor",
    "toString",
    "a.length",
    "list.length",
  ])("named %s is nothing that an object inherits", (field) => {
    const data = JSON.parse('{"finding":{"a":"x","list":[1]}}') as JsonObject;
    expect(matches({ [field]: { $exists: true } }, { type: "finding.new", data })).toBe(false);
  });

  test("of hostile data pollutes nothing and finds nothing that is hidden in a prototype", () => {
    const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"severity":"high"}';
    const data = JSON.parse(`{"finding":${hostile},"__proto__":{"finding":{"polluted":1}}}`) as JsonObject;
    const event = { type: "finding.new", data };
    expect(matches({ severity: "high" }, event)).toBe(true);
    for (const field of [
      "polluted",
      "__proto__.polluted",
      "constructor.prototype.polluted",
      "finding.__proto__.polluted",
    ]) {
      expect(matches({ [field]: { $exists: true } }, event)).toBe(false);
      expect(matches({ [field]: { $not: { $eq: 1 } } }, event)).toBe(true);
    }
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("the work of a trigger", () => {
  const long = "a".repeat(1024 * 1024 - 1);

  test.each(["(a+)+$", "^(a|aa)+$", "(.*)(.*)(.*)(.*)[0-9]", "(?i)a.{900}[0-9]"])(
    "comes to an end for the pattern %s on a megabyte",
    (pattern) => {
      expect(holds({ text: { $regex: `${pattern}` } }, { text: `${long}!` })).toBe(false);
    },
  );

  test("of a pattern on a long list comes to an end, though each of its texts takes as long as one text may", () => {
    let text = "";
    for (let i = 0, seed = 1; i < 50_000; i++) {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      text += "abcdefgh"[(seed >> 16) & 7];
    }
    const list = Array.from({ length: 2_000 }, () => text);
    expect(holds({ list: { $regex: "[a-d].{900}[0-9]" } }, { list })).toBe(false);
  });

  test("finds a part of a megabyte, and a value among a hundred thousand", () => {
    expect(holds({ text: { $contains: `${"a".repeat(50_000)}b` } }, { text: long })).toBe(false);
    expect(holds({ text: { $contains: "ab" } }, { text: `${long}b` })).toBe(true);
    const many = Array.from({ length: 100_000 }, (_, n) => n);
    expect(holds({ list: { $in: many.map((n) => -n - 1) } }, { list: many })).toBe(false);
    expect(holds({ list: { $in: many } }, { list: [99_999] })).toBe(true);
  });

  test("is none on texts beyond the bound of patterns", () => {
    expect(holds({ text: { $regex: "a" } }, { text: "a".repeat(limits.patternInputLengthMax + 1) })).toBe(false);
  });
});
