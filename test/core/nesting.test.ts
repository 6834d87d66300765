import { describe, expect, test } from "vitest";
import { isNestedDeeper } from "../../src/core/nesting.ts";

describe("the nesting of a value", () => {
  test("counts objects and lists inside each other, and not what stands beside them", () => {
    const two = { list: [1, 2, 3], other: { empty: null }, text: "[[[[" };
    expect([isNestedDeeper(two, 1), isNestedDeeper(two, 2)]).toEqual([true, false]);
    expect([isNestedDeeper([[[]]], 2), isNestedDeeper([[[]]], 3)]).toEqual([true, false]);
  });

  test("is none of a value that holds nothing", () => {
    for (const value of [null, undefined, 1, "text", true]) expect(isNestedDeeper(value, 0)).toBe(false);
  });

  test("may be deeper than the stack", () => {
    let deep: unknown = [];
    for (let depth = 0; depth < 200_000; depth += 1) deep = [deep];
    expect(isNestedDeeper(deep, 300_000)).toBe(false);
    expect(isNestedDeeper(deep, 200_000)).toBe(true);
  });
});
