import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { parseDuration } from "../../src/expressions/durations.ts";
import { ExpressionSyntaxError } from "../../src/expressions/syntax-error.ts";

describe("a duration", () => {
  test.each([
    ["90s", 90_000],
    ["5m", 300_000],
    ["4h", 14_400_000],
    ["250ms", 250],
    ["2d", 172_800_000],
    ["1h30m", 5_400_000],
    ["1m500ms", 60_500],
    ["0s", 0],
    ["3650d", limits.durationMsMax],
  ])("%s is %i milliseconds", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "5",
    "m",
    "5 m",
    " 5m",
    "-5m",
    "1.5h",
    "5M",
    "5min",
    "1h30",
    "3651d",
    "999999999999999d",
    "1e3s",
    "٣s",
    "1s".repeat(40),
  ])("%j is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(ExpressionSyntaxError);
  });

  test("is the sum of its parts", () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(99), fc.nat(99), (h, m, s) => {
        expect(parseDuration(`${h}h${m}m${s}s`)).toBe(h * 3_600_000 + m * 60_000 + s * 1_000);
      }),
    );
  });

  test("never fails in another way than by a syntax error", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("1", "9", "m", "s", "h", "d") })), (text) => {
        try {
          expect(parseDuration(text)).toBeLessThanOrEqual(limits.durationMsMax);
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionSyntaxError);
        }
      }),
    );
  });
});
