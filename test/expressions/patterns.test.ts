import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { patternSize } from "../../src/expressions/pattern-size.ts";
import { compilePattern, matchesPattern } from "../../src/expressions/patterns.ts";
import { ExpressionSyntaxError } from "../../src/expressions/syntax-error.ts";

const matches = (pattern: string, text: string) => matchesPattern(compilePattern(pattern), text);

describe("a pattern", () => {
  test("searches; anchors are the author's", () => {
    expect([matches("b", "abc"), matches("^b", "abc"), matches("^abc$", "abc"), matches("c$", "abc")]).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect([matches("", "abc"), matches("é+$", "caféé"), matches("^.$", "😀")]).toEqual([true, true, true]);
  });

  test.each([
    ["(", 0],
    ["ab[", 2],
    ["a(?=b)", 1],
    ["(a)\\1", 3],
    ["a**", 1],
    ["x".repeat(limits.patternLengthMax + 1), limits.patternLengthMax],
    ["(".repeat(1_000), 0],
    ["(?:(?:a{100}){100})", 0],
    ["x{999}".repeat(160), 0],
    ["(?:[^\\pL]{999}|b){6}", 0],
  ])("that reads %s is refused with its place", (pattern, offset) => {
    expect(() => compilePattern(pattern)).toThrow(ExpressionSyntaxError);
    expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ offset }));
  });

  test.each(["(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)(.*)[0-9]"])(
    "like %s answers on a megabyte, where a backtracking engine would never end",
    (pattern) => {
      expect([false, undefined]).toContain(matches(pattern, `${"a".repeat(limits.patternInputLengthMax - 1)}!`));
    },
  );

  test("that takes too long is stopped, and works again after that", () => {
    let text = "";
    for (let i = 0, seed = 1; i < 1_000_000; i++) {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      text += "abcdefgh"[(seed >> 16) & 7];
    }
    const pattern = compilePattern("[a-d].{900}[0-9]");
    expect(matchesPattern(pattern, text)).toBeUndefined();
    expect(matchesPattern(pattern, `a${"b".repeat(900)}1`)).toBe(true);
  });

  test("is not run over a text beyond the bound", () => {
    expect(matches("a", "a".repeat(limits.patternInputLengthMax + 1))).toBeUndefined();
  });

  test("answers as RegExp does, for what both can read", () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      ".",
      "[ab]",
      "[^a]",
      "(a|b)",
      "a?",
      "b*",
      "(ab)+",
      "^",
      "$",
      "a{2,3}",
      "\\d",
      "\\.",
    );
    const pattern = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "1", "."), maxLength: 12 });
    fc.assert(
      fc.property(pattern, text, (source, subject) => {
        expect(matches(source, subject)).toBe(new RegExp(source, "u").test(subject));
      }),
      {
        numRuns: 1_000,
      },
    );
  });

  test("never fails in another way than by a syntax error, on any text", () => {
    const piece = fc.constantFrom(
      ..."( ) [ ] { } { 9 , * + ? | ^ $ . \\ p L Q E x - : = < > a é i".split(" "),
      "{3}",
      "\\p{Greek}",
    );
    const pattern = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(pattern, fc.string({ unit: "binary" }), (source, text) => {
        try {
          expect(typeof matches(source, text)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionSyntaxError);
          expect((error as ExpressionSyntaxError).offset).toBeLessThanOrEqual(source.length);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("a pattern's size", () => {
  test.each([
    ["abc", 3],
    ["a{1000}", 1_000],
    ["a{2,}", 2],
    ["(?:ab{10}){10}", 150],
    ["[a-z]{5}", 5],
    ["[]{9}]", 1],
    ["\\x{9999}", 1],
    ["\\{9}", 3],
    ["a{,9}", 5],
  ])("counts the repetitions of %s", (pattern, size) => {
    expect(patternSize(pattern)).toBe(size);
  });
});
