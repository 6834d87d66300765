import { storableJson, storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ExecutionError, Outcome } from "../executors/executor.ts";

/** The outcome as it can be stored; an output that is too large fails the step with `output_too_large`. */
export function storableOutcome(outcome: Outcome): Outcome {
  if (outcome.status === "CANCELLED") return outcome;
  if (outcome.status === "TIMED_OUT") return { ...outcome, error: storableError(outcome.error) };
  const failed =
    outcome.status === "FAILED" ? { status: outcome.status, error: storableError(outcome.error) } : undefined;
  if (outcome.output === undefined) return failed ?? outcome;
  const text = JSON.stringify(outcome.output);
  const bytes = Buffer.byteLength(text);
  if (bytes <= limits.outputBytesMax) {
    return { ...(failed ?? { status: "SUCCEEDED" }), output: storableJson(outcome.output, text) };
  }
  const message = `The result is ${bytes} bytes; at most ${limits.outputBytesMax} are kept. Return less, or a reference to it.`;
  return failed ?? { status: "FAILED", error: { code: "output_too_large", message } };
}

/** The error as it can be stored: its code also goes into a column of the run. */
export function storableError({ code, message }: ExecutionError): ExecutionError {
  return { code: cut(code, limits.nameLengthMax), message: cut(message, limits.textLengthMax) };
}

function cut(text: string, lengthMax: number): string {
  return storableText(text.length > lengthMax ? text.slice(0, lengthMax) : text);
}
