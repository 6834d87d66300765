import { isJsonObject, type Json, storableJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { turns } from "../core/turns.ts";
import type { ExecutionError } from "./executor.ts";

/**
 * The result in what a script or a server wrote: null when that is blank, the JSON document when it is exactly one, else `{text}`.
 * Text too is JSON with a key twice, deeper than `limits.documentDepthMax`, or with a number that only Infinity could stand for: a
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

/** {@link readOutput}, once this turn of the event loop has time for it: many large ones come at once, and a megabyte takes 50 ms. */
export function readOutputInTurn(written: string): Promise<Json> {
  return turns.take(() => readOutput(written));
}

/**
 * The error that a failed attempt states in its output, `{"error": {"code", "message"}}`; a code may be a number, an error a mere text.
 * @param otherwise What holds where the output states none.
 */
export function errorIn(output: Json, otherwise: ExecutionError): ExecutionError {
  const stated = isJsonObject(output) && Object.hasOwn(output, "error") ? output["error"] : undefined;
  if (typeof stated === "string" && stated !== "") return { ...otherwise, message: cut(stated, limits.textLengthMax) };
  if (!isJsonObject(stated)) return otherwise;
  const code = stated["code"];
  const message = stated["message"];
  const isCode = typeof code === "number" || (typeof code === "string" && code !== "");
  return {
    code: isCode ? cut(String(code), limits.nameLengthMax) : otherwise.code,
    message: typeof message === "string" && message !== "" ? cut(message, limits.textLengthMax) : otherwise.message,
  };
}

function cut(text: string, lengthMax: number): string {
  return text.length > lengthMax ? text.slice(0, lengthMax).toWellFormed() : text;
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
    if (open.length > limits.documentDepthMax) return false;
  }
  return true;
}

/** True when no number is beyond what JSON can be written with again. */
function hasWritableNumbers(value: Json): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(hasWritableNumbers);
}
