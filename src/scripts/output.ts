import type { ExecutionError } from "../core/attempt-refused.ts";
import { isJsonObject, type Json, storableJson } from "../core/json.ts";
import { scriptLimits } from "../core/script-limits.ts";

/**
 * The result in what a script or a server wrote: null when that is blank, the JSON document when it is exactly one, else `{text}`.
 * Text too is JSON with a key twice, deeper than `scriptLimits.documentDepthMax`, or with a number that only Infinity could stand for: a
 * reader would see something else than the writer meant. A key `__proto__` is a key like any other. U+0000 and lone surrogates,
 * which PostgreSQL's jsonb cannot hold, become U+FFFD.
 */
export function readOutput(written: string): Json {
  const text = written.replace(/^\ufeff/, "");
  if (text.trim() === "") return null;
  const parsed = parse(text);
  const isResult = parsed !== undefined && isPlainDocument(text) && hasWritableNumbers(parsed);
  return storableJson(isResult ? parsed : { text: text.replace(/\r?\n$/, "") });
}

/** What is kept of a text that has more characters than it may have; undefined where it is passed over. */
export type Shorten = (text: string, lengthMax: number) => string | undefined;

/**
 * The error that a failed attempt states in its output, `{"error": {"code", "message"}}`; a code may be a number, an error a mere text.
 * @param otherwise What holds where the output states none.
 * @param shorten Cuts by default: an output that is masked already.
 */
export function errorIn(output: Json, otherwise: ExecutionError, shorten: Shorten = cut): ExecutionError {
  const stated = isJsonObject(output) && Object.hasOwn(output, "error") ? output["error"] : undefined;
  const { code, message } = isJsonObject(stated) ? stated : { code: undefined, message: stated };
  const fitting = (text: Json | undefined, lengthMax: number): string | undefined => {
    if (typeof text !== "string" || text === "") return undefined;
    return text.length <= lengthMax ? text : shorten(text, lengthMax);
  };
  return {
    code: fitting(typeof code === "number" ? String(code) : code, scriptLimits.nameLengthMax) ?? otherwise.code,
    message: fitting(message, scriptLimits.textLengthMax) ?? otherwise.message,
  };
}

function cut(text: string, lengthMax: number): string {
  return text.slice(0, lengthMax).toWellFormed();
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** False when keys repeat or nesting is too deep. `text` is JSON: of anything else this scan might take quadratic time. */
function isPlainDocument(text: string): boolean {
  // A set of keys for each open object, null for each open list.
  const open: (Set<string> | null)[] = [];
  for (const [found, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[[\]{}]/gs)) {
    if (found === "{" || found === "[") open.push(found === "{" ? new Set() : null);
    else if (found === "}" || found === "]") open.pop();
    else if (colon !== undefined) {
      const keys = open.at(-1);
      const key: string = JSON.parse(found.slice(0, -colon.length));
      if (keys?.has(key)) return false;
      keys?.add(key);
    }
    if (open.length > scriptLimits.documentDepthMax) return false;
  }
  return true;
}

/** True when no number is beyond what JSON can be written with again. */
function hasWritableNumbers(value: Json): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(hasWritableNumbers);
}
