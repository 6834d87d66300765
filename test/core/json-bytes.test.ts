import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { jsonBytes, knownBytes, leastJsonBytes, noteBytes } from "../../src/core/json-bytes.ts";

describe("the bytes of a value as JSON", () => {
  test("are those of its text, and never less than the least", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = Buffer.byteLength(JSON.stringify(value));
        expect(jsonBytes(value as Json)).toBe(bytes);
        expect(leastJsonBytes(value as Json)).toBeLessThanOrEqual(bytes);
      }),
    );
    expect(jsonBytes(undefined)).toBe(0);
  });

  test("of many long texts are seen to be many without reading them", () => {
    expect(leastJsonBytes({ list: ["x".repeat(1_000), "y".repeat(1_000)] })).toBeGreaterThan(2_000);
  });

  test("are known once they were measured or noted, and those of a text always", () => {
    const value = { a: ["b"] };
    expect(knownBytes(value)).toBe(0);
    expect(jsonBytes(value)).toBe(11);
    expect(knownBytes(value)).toBe(11);
    const other = {};
    expect(noteBytes(other, 7)).toBe(7);
    expect([knownBytes(other), jsonBytes(other)]).toEqual([7, 7]);
    expect([knownBytes("four"), knownBytes(1), knownBytes(null)]).toEqual([4, 0, 0]);
  });
});
