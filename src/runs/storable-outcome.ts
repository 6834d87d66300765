import { cutText } from "../core/cut-text.ts";
import { type Json, storableJson, storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ExecutionError } from "../executors/executor.ts";
import type { StepOutcome } from "./step-ports.ts";

/**
 * The outcome as it can be stored; an output that is too large, by itself or with those of the other steps, fails the step with
 * `output_too_large`. `others` are the outputs that the run has already.
 */
export function storableOutcome(outcome: StepOutcome, others: Iterable<Json | undefined>): StepOutcome {
  if (outcome.status === "CANCELLED") return outcome;
  if (outcome.status === "TIMED_OUT") return { ...outcome, error: storableError(outcome.error) };
  const failed = outcome.status === "FAILED" ? withoutOutput(outcome) : undefined;
  if (outcome.output === undefined) return failed ?? outcome;
  const text = JSON.stringify(outcome.output);
  const bytes = Buffer.byteLength(text);
  const problem = sizeProblem(bytes, others);
  if (problem !== undefined)
    return failed ?? { status: "FAILED", error: { code: "output_too_large", message: problem } };
  const output = storableJson(outcome.output, text);
  if (typeof output === "object" && output !== null) sizes.set(output, bytes);
  return { ...(failed ?? outcome), output } as StepOutcome;
}

function withoutOutput({ output: _output, error, ...rest }: StepOutcome & { readonly status: "FAILED" }): StepOutcome {
  return { ...rest, error: storableError(error) };
}

/** Bytes of outputs as JSON, so that a thousand steps do not each measure all before them. */
const sizes = new WeakMap<object, number>();

/** An output this small fits beside those of all the other steps a run can have. */
const smallBytes = limits.runOutputBytesMax / limits.playbookStepsMax;

function sizeProblem(bytes: number, others: Iterable<Json | undefined>): string | undefined {
  if (bytes > limits.outputBytesMax) {
    return `The result is ${bytes} bytes; at most ${limits.outputBytesMax} are kept. Return less, or a reference to it.`;
  }
  if (bytes <= smallBytes) return undefined;
  let total = bytes;
  for (const other of others) total += sizeOf(other);
  if (total <= limits.runOutputBytesMax) return undefined;
  return `With this result those of the run's steps are ${total} bytes; at most ${limits.runOutputBytesMax} are kept. Return less.`;
}

function sizeOf(output: Json | undefined): number {
  if (output === undefined) return 0;
  const known = typeof output === "object" && output !== null ? sizes.get(output) : undefined;
  if (known !== undefined) return known;
  const bytes = Buffer.byteLength(JSON.stringify(output));
  if (typeof output === "object" && output !== null) sizes.set(output, bytes);
  return bytes;
}

/** The error as it can be stored: its code also goes into a column of the run. */
export function storableError({ code, message }: ExecutionError): ExecutionError {
  return {
    // A code is compared, not read: nothing is put at its end.
    code: storableText(code.slice(0, limits.nameLengthMax)),
    message: storableText(cutText(message, limits.textLengthMax)),
  };
}
