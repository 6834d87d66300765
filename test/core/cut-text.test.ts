import { expect, test } from "vitest";
import { cutText } from "../../src/core/cut-text.ts";

test("a text is cut where it is too long, says so, and keeps to its bound", () => {
  expect([cutText("abcd", 4), cutText("abcde", 4)]).toEqual(["abcd", "abc…"]);
  expect(cutText("ab😀cd", 4)).toBe("ab\ufffd…");
});
