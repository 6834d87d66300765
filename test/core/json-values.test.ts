import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasMoreValues } from "../../src/core/json-values.ts";

/** Marks of a value's JSON: its objects and lists, and what follows a first one in them. */
function marksOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  return 1 + Math.max(inner.length - 1, 0) + inner.reduce((sum, each) => sum + marksOf(each), 0);
}

describe("the number of values in a text of JSON", () => {
  test("is told without reading it, whatever stands in its texts", () => {
    const text = fc.string({ unit: fc.constantFrom(...'"\\,[]{}:a') });
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        text,
        fc.integer(),
        fc.array(tie("value")),
        fc.dictionary(text, tie("value")),
      ),
    })).value;
    fc.assert(
      fc.property(tree, fc.constantFrom(undefined, 2), (value, indent) => {
        const [json, count] = [JSON.stringify(value, null, indent), marksOf(value)];
        expect([hasMoreValues(json, count), hasMoreValues(json, count - 1)]).toEqual([false, count > 0]);
      }),
    );
  });

  test("of what is no JSON is whatever its marks say", () => {
    expect(hasMoreValues('[[["', 2)).toBe(true);
    expect(hasMoreValues('"\\', 0)).toBe(false);
  });
});
