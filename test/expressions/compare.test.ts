import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareValues, type Operator, orderOf, severityOf } from "../../src/expressions/compare.ts";

const operators: Operator[] = ["==", "!=", ">", ">=", "<", "<=", "contains", "in", "matches"];
const unknown = undefined;

describe("comparing", () => {
  test.each<[unknown, Operator, unknown, boolean | undefined]>([
    [9.8, ">=", 9, true],
    ["b", ">", "a", true],
    ["critical", ">", "high", true],
    ["Critical", ">=", "HIGH", true],
    ["HIGH", "==", "high", true],
    ["low", "<", "medium", true],
    ["info", ">", "low", false],
    ["high", ">=", 7, true],
    ["medium", ">=", 7, false],
    ["critical", "==", 9, true],
    [0.1, "<=", "low", true],
    [0, "==", "info", true],
    [6.9, "<", "high", true],
    ["high", ">", "open", unknown],
    ["high", "==", "open", false],
    ["7", "==", 7, unknown],
    ["7", ">", 6, unknown],
    [true, "==", "true", unknown],
    [true, ">", false, unknown],
    [Number.NaN, "==", 1, unknown],
    [null, "==", null, true],
    ["a", "!=", null, true],
    [null, "==", "a", false],
    [null, ">", 1, unknown],
    [undefined, "==", null, true],
    [undefined, "!=", null, false],
    [undefined, "!=", "a", unknown],
    [undefined, "==", undefined, unknown],
    [[1, { a: 2, b: 3 }], "==", [1, { b: 3, a: 2 }], true],
    [{ a: 1 }, "==", { a: 1, b: 2 }, false],
    [[1], "==", { "0": 1 }, false],
    [{ a: 1 }, "==", "a", unknown],
  ])("%j %s %j is %j", (left, operator, right, expected) => {
    expect(compareValues(left, operator, right)).toBe(expected);
  });

  test("turns round: a before b is b after a", () => {
    const value = fc.oneof(
      fc.constantFrom("info", "low", "medium", "high", "critical", "x", null, true),
      fc.double(),
      fc.string(),
    );
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(compareValues(a, "<", b)).toBe(compareValues(b, ">", a));
        expect(compareValues(a, "<=", b)).toBe(compareValues(b, ">=", a));
        expect(compareValues(a, "==", b)).toBe(compareValues(b, "==", a));
        if (orderOf(a, b) !== undefined) expect(compareValues(a, "==", b)).toBe(orderOf(a, b) === 0);
      }),
    );
  });

  test("never throws, and never answers anything but true, false and unknown", () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom(...operators), fc.anything(), (left, operator, right) => {
        expect([true, false, undefined]).toContain(compareValues(left, operator, right));
      }),
    );
  });

  test("gives up on values that nest too deeply", () => {
    const nest = () => Array.from({ length: 50_000 }).reduce<unknown>((inner) => [inner], 1);
    expect(compareValues(nest(), "==", nest())).toBeUndefined();
  });
});

describe("a severity word", () => {
  test("is known in any case, and nothing else is one", () => {
    expect(severityOf("Critical")).toEqual({ rank: 4, score: 9 });
    for (const value of ["constructor", "", "severe", 7, null]) expect(severityOf(value)).toBeUndefined();
  });
});

describe("contains and in", () => {
  test.each<[unknown, Operator, unknown, boolean | undefined]>([
    [["web", "production"], "contains", "production", true],
    [["web"], "contains", "production", false],
    ["production", "in", ["web", "production"], true],
    ["web-production-1", "contains", "production", true],
    ["prod", "in", "web-production-1", true],
    [[1, 2], "contains", "1", unknown],
    [[1, "1"], "contains", "1", true],
    [[null, "a"], "contains", "b", false],
    [undefined, "in", ["a"], unknown],
    ["a", "in", undefined, unknown],
    [{ a: 1 }, "contains", "a", unknown],
    [[], "contains", "a", false],
    ["10.1.2.3", "in", ["10.0.0.0/8"], true],
    ["11.1.2.3", "in", ["10.0.0.0/8", "192.168.0.0/16"], false],
    ["host.example", "in", ["10.0.0.0/8"], false],
    ["10.1.2.3", "in", "10.0.0.0/8", true],
    ["10.0.0.0/8", "contains", "10.1.2.3", true],
    [["10.1.2.3"], "contains", "10.0.0.0/8", true],
    [["10.0.0.0/8"], "contains", "10.1.2.3", true],
    ["10.1.0.0/16", "in", ["10.0.0.0/8"], true],
    ["10.0.0.0/8", "in", ["10.1.0.0/16"], false],
    ["::ffff:10.1.2.3", "in", ["10.0.0.0/8"], true],
    ["2001:db8::1", "in", ["2001:db8::/32"], true],
    ["2001:DB8:0::1", "in", ["2001:db8::1"], true],
    ["2001:db8::1", "in", ["10.0.0.0/8"], false],
    ["10.1.2.3", "in", ["10.0.0.5/8"], true],
    ["10.1.2.3", "in", ["0.0.0.0/0"], true],
    ["10.1.2.3", "in", ["10.0.0.0/33"], false],
    ["10.1.2.3", "in", ["10.0.0.0/"], false],
    ["fe80::1%eth0", "in", ["fe80::/10"], false],
    ["192.168.1.1", "in", "192.168.1.10", false],
    ["192.168.1", "in", "192.168.1.10", true],
  ])("%j %s %j is %j", (left, operator, right, expected) => {
    expect(compareValues(left, operator, right)).toBe(expected);
  });

  test("agree with the plain search of a part, whichever way it is done", () => {
    const text = `${"ab".repeat(5_000)}abac`;
    for (const part of [
      "ab".repeat(3_000),
      `${"ab".repeat(3_000)}ac`,
      `${"ab".repeat(3_000)}aa`,
      `ba${"ab".repeat(3_000)}`,
    ]) {
      expect(compareValues(text, "contains", part)).toBe(text.includes(part));
    }
  });
});
