import { hasMoreValues } from "../core/json-values.ts";
import { errorIn, readOutput } from "../scripts/output.ts";
import { excess, exitError, type ScriptEnd } from "../scripts/run-script.ts";
import { bounds } from "./bounds.ts";
import type { Completion, Task } from "./task.ts";

/** What the server is told of a script that ended; undefined where it was ended because the signal was aborted. */
export function completionOf(end: ScriptEnd, { timeoutSeconds }: Task): Completion | undefined {
  switch (end.stopped) {
    case undefined:
      return answerOf(end);
    case "aborted":
      return undefined;
    case "timed_out":
      return { error: { code: "timed_out", message: `The script was ended after ${timeoutSeconds} s.` } };
    default:
      return { error: excess[end.stopped] };
  }
}

/** Its result, and for an exit code other than 0 its error, which it may state on stdout as `{"error": {"code", "message"}}`. */
function answerOf(end: ScriptEnd): Completion {
  const { exitCode } = end;
  const result = readOutput(end.stdout);
  if (hasMoreValues(JSON.stringify(result), bounds.outputValuesMax)) return { error: excess.output_too_large };
  if (exitCode === 0) return { exitCode, result };
  // What is too long for an error stands in the result only: nobody has masked it yet, and a cut could leave half a secret.
  const error = errorIn(result, exitError(end), () => undefined);
  return { ...(exitCode !== null && { exitCode }), result, error };
}
