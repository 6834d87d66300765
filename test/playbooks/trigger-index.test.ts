import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { EventFields, type OccurredEvent } from "../../src/playbooks/event-fields.ts";
import { finished, indexTriggers, type TriggerIndex } from "../../src/playbooks/trigger-index.ts";
import { compileConditions } from "../../src/playbooks/trigger-match.ts";

function indexOf(triggers: readonly JsonObject[]): TriggerIndex<number> {
  return finished(indexTriggers(triggers.map((conditions, value) => ({ conditions, value }))));
}

const finding = (fields: JsonObject): OccurredEvent => ({ type: "finding.new", data: { finding: fields } });

describe("an index of triggers", () => {
  test("matches what each trigger by itself does", () => {
    const field = fc.constantFrom("severity", "cvss", "ip", "tags", "asset.name", "list.a", "asset_tags", "missing");
    const scalar = fc.constantFrom<Json>(
      "high",
      "HIGH",
      "low",
      7,
      0.1,
      5,
      "10.1.2.3",
      "10.0.0.0/8",
      "web",
      "w",
      true,
      null,
    );
    const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.constant<Json>({ a: 1 }));
    const operators = fc.oneof(
      fc.record({ $eq: value }),
      fc.record({ $ne: value }),
      fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
      fc.record({ $nin: fc.array(value, { maxLength: 3 }) }),
      fc.record({ $gte: fc.constantFrom("medium", 5), $lt: fc.constantFrom("critical", 9) }),
      fc.record({ $contains: scalar }),
      fc.record({ $exists: fc.boolean() }),
      fc.record({ $regex: fc.constantFrom("^10", "eb", "(?i)HIGH", "web") }),
    );
    const compared = fc.oneof(value, operators, fc.record({ $not: operators }));
    const fields = fc.dictionary(field, compared as fc.Arbitrary<Json>, { maxKeys: 2 });
    const group = fc.array(fields, { minLength: 1, maxLength: 3 });
    const conditions = fc
      .record({ fields, $or: group, $and: group, $not: fields }, { requiredKeys: ["fields"] })
      .map(({ fields: own, ...groups }) => ({ ...own, ...groups }) as JsonObject);
    const event = fc
      .record(
        {
          severity: fc.constantFrom<Json>("High", "low", 7, null),
          cvss: fc.constantFrom<Json>(7, 0.1, "high"),
          ip: fc.constantFrom<Json>("10.1.2.3", "::ffff:10.1.2.3", ["10.9.9.9"]),
          tags: fc.array(scalar, { maxLength: 3 }),
          asset: fc.constantFrom<Json>({ name: "web" }, { name: ["web", "w"], tags: ["web"] }, "web"),
          list: fc.constantFrom<Json>([{ a: 7 }, { a: ["high", 5] }, {}], []),
        },
        { requiredKeys: [] },
      )
      .map((fields) => finding(fields as JsonObject));
    let matched = 0;
    fc.assert(
      fc.property(
        fc.array(conditions, { maxLength: 12 }),
        fc.array(event, { minLength: 1, maxLength: 3 }),
        (triggers, events) => {
          const index = indexOf(triggers);
          for (const each of events) {
            const expected = triggers.flatMap((trigger, number) =>
              compileConditions(trigger)(new EventFields(each)) ? [number] : [],
            );
            matched += expected.length;
            expect(index.match(each)).toEqual(expected);
          }
        },
      ),
      { numRuns: 1_500 },
    );
    expect(matched).toBeGreaterThan(500);
  });

  test("answers each trigger once and in order, whichever of its values the event has", () => {
    const index = indexOf([{ severity: "low" }, { tags: { $in: ["a", "b", "c"] } }, {}, { tags: "b" }]);
    expect(index.match(finding({ tags: ["c", "b", "a"] }))).toEqual([1, 2, 3]);
  });

  test.each<JsonObject>([
    { title: { $where: "true" } },
    { severity: "low", title: { $nin: ["y"], $where: "true" } },
    { $or: [{ title: { $where: "true" } }] },
    { $not: { title: { $where: "true" } } },
    { $not: { $nor: [{ title: "y" }] } },
    { $and: { title: "x" } },
    { $or: "x" },
    { $expr: true },
  ])("matches nothing by %j, which can't be read, and the others all the same", (unreadable) => {
    const index = indexOf([{ severity: "low" }, unreadable, { title: "x" }]);
    expect(index.match(finding({ severity: "low", title: "x" }))).toEqual([0, 2]);
  });

  test("tests a condition that ten thousand triggers share once for an event", () => {
    const index = indexOf(Array.from({ length: 10_000 }, () => ({ cvss: { $gte: 7 }, title: { $contains: "x" } })));
    const steps = [...index.matching(finding({ cvss: 8, title: "xyz" }))];
    expect(steps).toHaveLength(2);
    expect(index.match(finding({ cvss: 8, title: "xyz" }))).toHaveLength(10_000);
  });

  test("looks at none of ten thousand triggers that want another value", () => {
    const index = indexOf(
      Array.from({ length: 10_000 }, (_, n) => ({ "asset.name": `host-${n}`, title: { $regex: `${n}` } })),
    );
    const steps = [...index.matching(finding({ asset: { name: "host-17" }, title: "17" }))];
    expect(steps).toHaveLength(2);
    expect(index.match(finding({ asset: { name: "host-17" }, title: "17" }))).toEqual([17]);
  });
});
