import { describe, expect, test } from "vitest";
import { hasDuplicateKeys } from "../../src/core/duplicate-keys.ts";

describe("a name that stands twice in one object", () => {
  test.each([
    ['{"a":1,"a":2}'],
    ['{"a":1,"\\u0061":2}'],
    ['{"x":[{"b":{"c":1,"d":[],"c":{}}}]}'],
    ['{"__proto__":1,"__proto__":1}'],
    ['{"":1, "" : 2}'],
  ])("is found in %s", (json) => {
    expect(hasDuplicateKeys(json)).toBe(true);
  });

  test.each([
    ["{}"],
    ['{"a":{"a":{"a":["a","a"]}},"b":"a"}'],
    ['[{"a":1},{"a":1}]'],
    ['{"a":"\\"a\\":1,","b":"{\\"b\\":1}"}'],
    ['["a","a"]'],
    ['{"a":"\\\\","b":"a"}'],
  ])("is not seen in %s", (json) => {
    expect(hasDuplicateKeys(json)).toBe(false);
  });
});
