import { bounds } from "./bounds.ts";
import { isObject, type Json, storableJson } from "./json.ts";
import type { Completion, TaskError } from "./task.ts";

/** How a script ended by itself. */
export interface ScriptExit {
  readonly exitCode: number | null;
  readonly exitSignal: string | null;
  readonly stdout: string;
}

/**
 * What is told of a script that ended by itself: its result, and for an exit code other than 0 its error, which it may state on stdout as
 * `{"error": {"code", "message"}}`.
 */
export function completionOf({ exitCode, exitSignal, stdout }: ScriptExit): Completion {
  const result = readOutput(stdout);
  if (result === undefined) return { error: outputTooLarge };
  if (exitCode === 0) return { exitCode, result };
  const how = exitSignal === null ? `with exit code ${exitCode}` : `by the signal ${exitSignal}`;
  const error = errorIn(result, { code: "exit_code", message: `The script ended ${how}.` });
  return { ...(exitCode !== null && { exitCode }), result, error };
}

export const outputTooLarge: TaskError = {
  code: "output_too_large",
  message: "The script wrote more to stdout than a result may have.",
};

/**
 * The result in what a script wrote: null when that is blank, the JSON document when it is exactly one, else `{text}`. Text too is JSON with a
 * key twice, too deep, or with a number that only Infinity could stand for: a reader would see something else than the writer meant.
 * @returns Undefined when it holds more values than the server takes.
 */
function readOutput(written: string): Json | undefined {
  const text = written.replace(/^\ufeff/, "");
  if (text.trim() === "") return null;
  const parsed = parse(text);
  if (parsed === undefined || !isPlainDocument(text)) return asText(text);
  const count = countValues(parsed);
  if (Number.isNaN(count)) return asText(text);
  return count > bounds.outputValuesMax ? undefined : storableJson(parsed);
}

function asText(text: string): Json {
  return storableJson({ text: text.replace(/\r?\n$/, "") });
}

/** What a failed script states; where it is longer than an error may be it stands in the result only, since a cut could leave half a secret. */
function errorIn(result: Json, otherwise: TaskError): TaskError {
  const stated = isObject(result) && Object.hasOwn(result, "error") ? result["error"] : undefined;
  if (typeof stated === "string") return { ...otherwise, message: fitting(stated, "message") ?? otherwise.message };
  if (!isObject(stated)) return otherwise;
  const { code, message } = stated;
  return {
    code: fitting(typeof code === "number" ? String(code) : code, "code") ?? otherwise.code,
    message: fitting(message, "message") ?? otherwise.message,
  };
}

function fitting(text: unknown, part: "code" | "message"): string | undefined {
  const lengthMax = part === "code" ? bounds.errorCodeLengthMax : bounds.errorMessageLengthMax;
  return typeof text === "string" && text !== "" && text.length <= lengthMax ? text : undefined;
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
    if (open.length > bounds.outputDepthMax) return false;
  }
  return true;
}

/** How many values there are; NaN when a number among them is beyond what JSON can be written with again. */
function countValues(value: Json): number {
  if (typeof value === "number") return Number.isFinite(value) ? 1 : Number.NaN;
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + countValues(inner as Json), 1);
}
