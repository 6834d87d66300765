import { limits } from "../core/limits.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";

/** Where a value lies below the scope's root: names, and numbers for `[0]`. Never empty, at most `pathSegmentsMax` long. */
export type Path = readonly (string | number)[];

const NAME = /[\p{L}\p{N}_$@-]+/uy;
const INDEX = /\d{1,9}/y;
const SPACE = /\s*/y;
// Nothing of JSON needs them, and each is the first half of an attack on the host.
const REFUSED = new Set(["__proto__", "prototype", "constructor"]);

/**
 * Reads one `{{ path }}`.
 * @param start Offset of the opening braces.
 * @returns The path, and the offset after the closing braces.
 * @throws ExpressionSyntaxError
 */
export function parseBraces(text: string, start: number): { path: Path; end: number } {
  const path: (string | number)[] = [];
  let at = skipSpace(text, start + 2);
  const add = (segment: string | number, offset: number): void => {
    if (REFUSED.has(String(segment))) {
      throw new ExpressionSyntaxError(`"${segment}" can't be part of a path: only data can be read.`, offset);
    }
    if (path.length >= limits.pathSegmentsMax) {
      throw new ExpressionSyntaxError(`A path has at most ${limits.pathSegmentsMax} segments.`, offset);
    }
    path.push(segment);
  };
  const root = readName(text, at);
  add(root, at);
  at += root.length;
  for (;;) {
    if (text[at] === ".") {
      const name = readName(text, at + 1);
      add(name, at + 1);
      at += 1 + name.length;
    } else if (text[at] === "[") {
      const { segment, end } = readIndex(text, at);
      add(segment, at + 1);
      at = end;
    } else break;
  }
  const end = skipSpace(text, at);
  if (!text.startsWith("}}", end)) throw notClosed(text, end);
  return { path, end: end + 2 };
}

/** The path as its author would write it, e.g. `steps.notify-team.output["a key"][0]`. */
export function formatPath(path: Path): string {
  return path
    .map((segment, index) => {
      if (typeof segment === "number") return `[${segment}]`;
      if (isName(segment)) return index === 0 ? segment : `.${segment}`;
      return `[${JSON.stringify(segment)}]`;
    })
    .join("");
}

function isName(segment: string): boolean {
  NAME.lastIndex = 0;
  return NAME.exec(segment)?.[0] === segment;
}

function readName(text: string, at: number): string {
  NAME.lastIndex = at;
  const name = NAME.exec(text)?.[0];
  if (name) return name;
  if (at >= text.length) throw new ExpressionSyntaxError("The template is not closed: }} is missing.", at);
  throw new ExpressionSyntaxError(
    `${shown(text, at)} can't stand here: a name such as "finding" is expected; other keys are written ["like this"].`,
    at,
  );
}

/** @param at Offset of the opening bracket. */
function readIndex(text: string, at: number): { segment: string | number; end: number } {
  const inner = skipSpace(text, at + 1);
  const quote = text[inner];
  let segment: string | number;
  let end: number;
  if (quote === '"' || quote === "'") {
    ({ value: segment, end } = readKey(text, inner));
  } else {
    INDEX.lastIndex = inner;
    const digits = INDEX.exec(text)?.[0];
    if (!digits) throw new ExpressionSyntaxError('In brackets stands an index, [0], or a key, ["a key"].', inner);
    segment = Number(digits);
    end = inner + digits.length;
  }
  end = skipSpace(text, end);
  if (text[end] !== "]") throw new ExpressionSyntaxError("The bracket is not closed: ] is missing.", end);
  return { segment, end: end + 1 };
}

function readKey(text: string, at: number): { value: string; end: number } {
  const quote = text[at];
  let value = "";
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === quote) return { value, end: i + 1 };
    if (text[i] === "\\" && (text[i + 1] === quote || text[i + 1] === "\\")) i++;
    value += text[i];
  }
  throw new ExpressionSyntaxError(`The key is not closed: ${quote} is missing.`, text.length);
}

function notClosed(text: string, at: number): ExpressionSyntaxError {
  if (at >= text.length) return new ExpressionSyntaxError("The template is not closed: }} is missing.", at);
  return new ExpressionSyntaxError(
    `${shown(text, at)} can't stand here: a template holds one path, such as {{ finding.title }}, and nothing else.`,
    at,
  );
}

/** The character at an offset, for a message. */
export function shown(text: string, at: number): string {
  return `"${String.fromCodePoint(text.codePointAt(at) ?? 0xfffd)}"`;
}

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at;
  return at + (SPACE.exec(text)?.[0].length ?? 0);
}
