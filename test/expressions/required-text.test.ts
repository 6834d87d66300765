import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePattern, matchesPattern } from "../../src/expressions/patterns.ts";
import { requiredText } from "../../src/expressions/required-text.ts";
import { ExpressionSyntaxError } from "../../src/expressions/syntax-error.ts";

describe("the text that a pattern requires", () => {
  test.each([
    ["brute force", "brute force"],
    ["^brute.force$", "brute"],
    ["user\\.name=[a-z]+;", "user.name="],
    ["abc+def", "abc"],
    ["abcd?efgh", "efgh"],
    ["abcd{2,3}xyz", "abc"],
    ["a{,5}b", "a{,5}b"],
    ["[[:alpha:]xyz]+tail", "tail"],
    ["[]abc]tail", "tail"],
    ["[^]abc]tail", "tail"],
    ["caf\\w+ naïve", " naïve"],
  ])("of %s is %s", (pattern, text) => {
    expect(requiredText(pattern)).toEqual({ text, isFolded: false });
  });

  test("is in lower case where case does not matter", () => {
    expect(requiredText("(?i)Brute.FORCE")).toEqual({ text: "brute", isFolded: true });
    expect(requiredText("(?is)naïve-approach")).toEqual({ text: "ve-approach", isFolded: true });
  });

  test.each(["abc|xyz", "(abc)?", "(?i:abcdef)", "ab", "a.c", "\\Qabc\\E", "\\x41bcd", "\\p{Greek}abc", "[abc]+", ""])(
    "of %s can't be told",
    (pattern) => {
      expect(requiredText(pattern)).toBeUndefined();
    },
  );

  test("is in every text that the pattern matches", () => {
    const kinds: [string, string[]][] = [
      ["abc", ["abc", "ABC"]],
      ["k", ["k", "K", "\u212a"]],
      ["s", ["s", "S", "\u017f"]],
      ["x+", ["x", "xx"]],
      ["y*", ["", "y"]],
      ["z?", ["", "z"]],
      ["b{2}", ["bb"]],
      ["c{0,1}", ["", "c"]],
      ["d{,1}", ["d{,1}"]],
      ["e+?", ["e"]],
      ["[ab]", ["a", "b"]],
      ["[^a]", ["b", "é"]],
      ["[]a]", ["]", "a"]],
      ["[[:alpha:]b]", ["q"]],
      [".", [".", "é", "😀"]],
      ["\\.", ["."]],
      ["\\d", ["7"]],
      ["\\b", [""]],
      ["é", ["é", "É"]],
      ["{", ["{"]],
      ["]", ["]"]],
      ["-", ["-"]],
    ];
    const piece = fc
      .constantFrom(...kinds)
      .chain(([source, samples]) => fc.tuple(fc.constant(source), fc.constantFrom(...samples)));
    const made = fc.record({
      flags: fc.constantFrom("", "(?i)", "(?s)", "(?im)"),
      pieces: fc.array(piece, { minLength: 1, maxLength: 9 }),
    });
    let matched = 0;
    fc.assert(
      fc.property(made, ({ flags, pieces }) => {
        const source = flags + pieces.map(([text]) => text).join("");
        const searched = pieces.map(([, sample]) => sample).join("");
        const required = requiredText(source);
        if (!required || !isMatch(source, searched)) return;
        matched++;
        const isTold = !required.isFolded || /^[\0-\x7f]*$/.test(searched);
        if (isTold) expect(required.isFolded ? searched.toLowerCase() : searched).toContain(required.text);
      }),
      { numRuns: 10_000 },
    );
    expect(matched).toBeGreaterThan(500);
  });
});

function isMatch(pattern: string, text: string): boolean {
  try {
    return matchesPattern(compilePattern(pattern), text) === true;
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) return false;
    throw error;
  }
}
