import { cutText } from "../core/cut-text.ts";
import { type Json, type JsonObject, storableJson, storableText } from "../core/json.ts";
import { jsonBytes, leastJsonBytes, noteBytes } from "../core/json-bytes.ts";
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
  noteBytes(output, bytes);
  return { ...(failed ?? outcome), output } as StepOutcome;
}

function withoutOutput({ output: _output, error, ...rest }: StepOutcome & { readonly status: "FAILED" }): StepOutcome {
  return { ...rest, error: storableError(error) };
}

/** An output this small fits beside those of all the other steps a run can have; so do arguments. */
const smallBytes = limits.runOutputBytesMax / limits.playbookStepsMax;
const smallInputBytes = limits.runInputBytesMax / limits.playbookStepsMax;

function sizeProblem(bytes: number, others: Iterable<Json | undefined>): string | undefined {
  if (bytes > limits.outputBytesMax) {
    return `The result is ${bytes} bytes; at most ${limits.outputBytesMax} are kept. Return less, or a reference to it.`;
  }
  if (bytes <= smallBytes) return undefined;
  let total = bytes;
  for (const other of others) total += jsonBytes(other);
  if (total <= limits.runOutputBytesMax) return undefined;
  return `With this result those of the run's steps are ${total} bytes; at most ${limits.runOutputBytesMax} are kept. Return less.`;
}

/**
 * Why the arguments of a step can't be kept beside those of the run's other steps, which `others` are; undefined where they can. Many
 * large ones at once are refused without being measured. `least` is what {@link leastJsonBytes} says of it.
 */
export function inputProblem(
  input: JsonObject,
  others: () => Iterable<Json | undefined>,
  least = leastJsonBytes(input),
): ExecutionError | undefined {
  // No character takes more than six as JSON.
  if (least * 6 <= smallInputBytes || (least <= smallInputBytes && jsonBytes(input) <= smallInputBytes))
    return undefined;
  let total = least;
  for (const other of others()) total += jsonBytes(other);
  if (total <= limits.runInputBytesMax && total - least + jsonBytes(input) <= limits.runInputBytesMax) return undefined;
  const message = `With these arguments those of the run's steps are more than ${limits.runInputBytesMax} bytes, which is the most that is kept. Hand over less, or a reference to it.`;
  return { code: "input_too_large", message };
}

/** The error as it can be stored: its code also goes into a column of the run. */
export function storableError({ code, message }: ExecutionError): ExecutionError {
  return {
    // A code is compared, not read: nothing is put at its end.
    code: storableText(code.slice(0, limits.nameLengthMax)),
    message: storableText(cutText(message, limits.textLengthMax)),
  };
}
