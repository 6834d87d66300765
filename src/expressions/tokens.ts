import { type Path, parseBraces, shown } from "./paths.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";

/** A piece of an expression. `offset` counts UTF-16 units from the beginning of its text. */
export type Token =
  | { readonly kind: "sign"; readonly sign: Sign; readonly offset: number }
  | { readonly kind: "literal"; readonly value: string | number | boolean | null; readonly offset: number }
  | { readonly kind: "path"; readonly path: Path; readonly offset: number }
  | { readonly kind: "end"; readonly offset: number };

/** Marks and words; `&&`, `||` and `!` are read as the words they mean. */
export type Sign = (typeof MARKS)[number] | (typeof WORDS)[number];

// Longer ones first: the first that fits is taken.
const MARKS = ["==", "!=", ">=", "<=", ">", "<", "(", ")", "[", "]", ","] as const;
const WORDS = ["and", "or", "not", "contains", "in", "matches"] as const;
const SYNONYMS: readonly (readonly [string, Sign])[] = [
  ["&&", "and"],
  ["||", "or"],
  ["!", "not"],
];
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
]);

const SPACE = /\s*/y;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[\p{L}\p{N}_$][\p{L}\p{N}_$.-]*/uy;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

/**
 * The pieces of an expression, an end after the last.
 * @throws ExpressionSyntaxError
 */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = matchAt(SPACE, text, 0).length;
  while (at < text.length) {
    const { token, end } = readToken(text, at);
    tokens.push(token);
    at = end + matchAt(SPACE, text, end).length;
  }
  tokens.push({ kind: "end", offset: text.length });
  return tokens;
}

function readToken(text: string, offset: number): { token: Token; end: number } {
  if (text.startsWith("{{", offset)) {
    const { path, end } = parseBraces(text, offset);
    return { token: { kind: "path", path, offset }, end };
  }
  if (text[offset] === "'" || text[offset] === '"') {
    const { value, end } = readText(text, offset);
    return { token: { kind: "literal", value, offset }, end };
  }
  const mark = MARKS.find((candidate) => text.startsWith(candidate, offset));
  if (mark) return { token: { kind: "sign", sign: mark, offset }, end: offset + mark.length };
  const synonym = SYNONYMS.find(([candidate]) => text.startsWith(candidate, offset));
  if (synonym) return { token: { kind: "sign", sign: synonym[1], offset }, end: offset + synonym[0].length };
  const number = matchAt(NUMBER, text, offset);
  // What goes on after a number, as 10.0.0.1 does, is read as a word and refused with a hint.
  const isWhole = text[offset + number.length] !== "." && !matchAt(WORD, text, offset + number.length);
  if (number && isWhole) return readNumber(number, offset);
  const word = matchAt(WORD, text, offset);
  if (word) return { token: readWord(word, offset), end: offset + word.length };
  throw new ExpressionSyntaxError(`${shown(text, offset)} can't stand here.${hintFor(text, offset)}`, offset);
}

function readNumber(digits: string, offset: number): { token: Token; end: number } {
  const value = Number(digits);
  if (!Number.isFinite(value)) throw new ExpressionSyntaxError("This number is too large.", offset);
  return { token: { kind: "literal", value, offset }, end: offset + digits.length };
}

function readWord(word: string, offset: number): Token {
  const sign = WORDS.find((candidate) => candidate === word);
  if (sign) return { kind: "sign", sign, offset };
  const constant = CONSTANTS.get(word);
  if (constant !== undefined) return { kind: "literal", value: constant, offset };
  const lower = word.toLowerCase();
  if (WORDS.some((candidate) => candidate === lower) || CONSTANTS.has(lower)) {
    throw new ExpressionSyntaxError(`Write "${lower}" in lower case.`, offset);
  }
  const shownWord = word.slice(0, 60);
  throw new ExpressionSyntaxError(
    `"${shownWord}" is not known: write '${shownWord}' for a text, or {{ ${shownWord} }} for what is found there.`,
    offset,
  );
}

/** A text in either quotation mark. A backslash stands before the mark, itself, n, r and t; elsewhere it is kept, as patterns need it. */
function readText(text: string, start: number): { value: string; end: number } {
  const quote = text[start];
  let value = "";
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]!;
    if (char === quote) return { value, end: at + 1 };
    const next = text[at + 1];
    if (char === "\\" && next !== undefined) {
      const escaped = next === "\\" || next === "'" || next === '"' ? next : ESCAPES.get(next);
      value += escaped ?? char + next;
      at++;
    } else value += char;
  }
  throw new ExpressionSyntaxError(`The text is not closed: ${quote} is missing.`, start);
}

function hintFor(text: string, at: number): string {
  if (text[at] === "=") return ' Write "==" to compare.';
  if (text[at] === "&") return ' Write "and".';
  if (text[at] === "|") return ' Write "or".';
  return " An operand is a template, a number, a 'text', true, false, null or a [list].";
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}
