import { isJsonObject, type Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { maskedLiterals } from "./mask-forms.ts";

/** Takes known secret values out of whatever is stored or sent. */
export interface Mask {
  /** The text with every form of every secret replaced by `***`. Values too short to be masked within a text are masked as whole lines. */
  text(text: string): string;
  /** The value with its strings, keys and numbers masked, at any depth. Keys that become equal get a number. */
  json(value: Json): Json;
  /** A masker of one text that comes in chunks. It masks within the text only; for short values put each line through `text`. */
  stream(): MaskStream;
}

/** What was given out and what is to come, joined, is the masked text: no border between chunks hides a secret. */
export interface MaskStream {
  /** What is safe to give out by now; what could be the beginning of a secret is held back. */
  push(chunk: string): string;
  /** The rest. */
  end(): string;
}

const replacement = "***";

const nothingToMask: Mask = {
  text: (text) => text,
  json: (value) => value,
  stream: () => ({ push: (chunk) => chunk, end: () => "" }),
};

/**
 * A mask of the given plain values.
 * @param values Those shorter than `limits.maskedLengthMin` are masked only where they are a whole line: elsewhere they would blank out ordinary text.
 * So are single lines of a value that are shorter than `limits.maskedLineLengthMin`.
 */
export function createMask(values: readonly string[]): Mask {
  const long = new Set<string>();
  const short = new Set<string>();
  for (const value of values) {
    for (const text of [value, value.trim()]) {
      if (text.length >= limits.maskedLengthMin) long.add(text);
      else if (text.trim() !== "") short.add(text);
    }
    for (const line of tellingLines(value)) if (line.length < limits.maskedLineLengthMin) short.add(line);
  }
  if (long.size === 0 && short.size === 0) return nothingToMask;
  const finder = createFinder(maskedLiterals(long));
  const text = (input: string): string => maskLines(finder ? maskWhole(finder, input) : input, short);
  return {
    text,
    json: (value) => maskJson(value, text, 0),
    stream: () => (finder ? createStream(finder) : nothingToMask.stream()),
  };
}

/**
 * A mask for lines that come one by one, so that a value of several lines is never seen as a whole: each of its lines is masked as if it were a
 * secret by itself.
 */
export function createLineMask(values: readonly string[]): Mask {
  return createMask(values.flatMap((value) => [value, ...tellingLines(value)]));
}

/** The lines of a value of several lines, without those that tell nothing: brackets alone, as in a key file that is JSON. */
function tellingLines(value: string): string[] {
  if (!/[\r\n]/.test(value)) return [];
  const lines = value.split(/[\r\n]+/).map((line) => line.trim());
  return lines.filter((line) => /[\p{L}\p{N}]/u.test(line));
}

/** Finds literals in a text, and where the beginning of one may stand at its end. */
interface Finder {
  /** The distinct beginnings of all literals: an engine compiles whole keys and certificates far too slowly. */
  readonly pattern: RegExp;
  /** Literals by their beginning, longest first. */
  readonly byBeginning: ReadonlyMap<string, readonly string[]>;
  readonly byFirstCharacter: ReadonlyMap<string, readonly string[]>;
  readonly lengthMax: number;
}

function createFinder(literals: readonly string[]): Finder | undefined {
  const [longest] = literals;
  if (longest === undefined) return undefined;
  const byBeginning = Map.groupBy(literals, beginningOf);
  return {
    pattern: new RegExp([...byBeginning.keys()].map(escapePattern).join("|"), "g"),
    byBeginning,
    byFirstCharacter: Map.groupBy(literals, (literal) => literal.charAt(0)),
    lengthMax: longest.length,
  };
}

/** No literal is shorter. */
function beginningOf(literal: string): string {
  return literal.slice(0, limits.maskedLengthMin);
}

function escapePattern(literal: string): string {
  return literal
    .replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
    .replace(/\n/g, "\\n")
    .replace(/\r/g, "\\r");
}

/** A part of a text, from `start` up to `end`. */
interface Span {
  start: number;
  end: number;
}

/** Occurrences in order, those that overlap or touch joined: the tail of a secret that begins within another is not left over. */
function spansOf(finder: Finder, text: string, first?: Span): Span[] {
  const spans: Span[] = first ? [first] : [];
  let last = first;
  finder.pattern.lastIndex = 0;
  for (let match = finder.pattern.exec(text); match; match = finder.pattern.exec(text)) {
    const start = match.index;
    finder.pattern.lastIndex = start + 1;
    const literal = finder.byBeginning.get(match[0])?.find((candidate) => text.startsWith(candidate, start));
    if (literal === undefined) continue;
    const end = start + literal.length;
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else {
      last = { start, end };
      spans.push(last);
    }
  }
  return spans;
}

function maskWhole(finder: Finder, text: string): string {
  const spans = spansOf(finder, text);
  if (spans.length === 0) return text;
  let masked = "";
  let position = 0;
  for (const span of spans) {
    masked += text.slice(position, span.start) + replacement;
    position = span.end;
  }
  return masked + text.slice(position);
}

function createStream(finder: Finder): MaskStream {
  let held = "";
  // Set while a replacement has been given out whose secret reaches so many characters into `held` (0: exactly up to it).
  let covered: number | undefined;

  function release(buffer: string, safe: number): string {
    const spans = spansOf(finder, buffer, covered === undefined ? undefined : { start: 0, end: covered });
    let isGivenOut = covered !== undefined;
    let out = "";
    let position = 0;
    covered = undefined;
    for (const span of spans) {
      if (span.start >= safe && !isGivenOut) break;
      out += buffer.slice(position, span.start) + (isGivenOut ? "" : replacement);
      position = span.end;
      isGivenOut = false;
      if (span.end >= safe) covered = span.end - safe;
    }
    held = buffer.slice(safe);
    return position < safe ? out + buffer.slice(position, safe) : out;
  }

  return {
    push: (chunk) => {
      const buffer = held + chunk;
      return release(buffer, openEnd(finder, buffer));
    },
    end: () => release(held, held.length),
  };
}

/** Where the longest end of the text starts that may become a secret. */
function openEnd(finder: Finder, text: string): number {
  for (let start = Math.max(0, text.length - finder.lengthMax + 1); start < text.length; start++) {
    const candidates = finder.byFirstCharacter.get(text.charAt(start));
    if (!candidates) continue;
    const rest = text.slice(start);
    if (candidates.some((literal) => literal.length > rest.length && literal.startsWith(rest))) return start;
  }
  return text.length;
}

function maskLines(text: string, short: ReadonlySet<string>): string {
  if (short.size === 0) return text;
  if (short.has(text) || short.has(text.trim())) return replacement;
  if (!text.includes("\n")) return text;
  const lines = text.split("\n");
  return lines.map((line) => (short.has(line.trim()) ? replacement : line)).join("\n");
}

function maskJson(value: Json, text: (input: string) => string, depth: number): Json {
  if (typeof value === "string") return text(value);
  if (typeof value === "number") {
    const written = String(value);
    const masked = text(written);
    return masked === written ? value : masked;
  }
  if (value === null || typeof value === "boolean") return value;
  // No document that we accept is as deep; what is made deeper is not worth a stack overflow.
  if (depth > 4 * limits.documentDepthMax) return replacement;
  if (!isJsonObject(value)) return value.map((inner) => maskJson(inner, text, depth + 1));
  const entries = new Map<string, Json>();
  for (const [key, inner] of Object.entries(value))
    entries.set(freeKey(entries, text(key)), maskJson(inner, text, depth + 1));
  return Object.fromEntries(entries);
}

function freeKey(entries: ReadonlyMap<string, Json>, key: string): string {
  if (!entries.has(key)) return key;
  let number = 2;
  while (entries.has(`${key} (${number})`)) number += 1;
  return `${key} (${number})`;
}
