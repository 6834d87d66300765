import { DomainFailure } from "../core/failures.ts";
import { createMask } from "../secrets/mask.ts";
import type { Refusal } from "./resolve-action.ts";
import { about, type PreparedStep, type StepPorts, type StepStart } from "./step-ports.ts";
import { storableError } from "./storable-outcome.ts";

interface Preparing {
  readonly ports: Pick<StepPorts, "log">;
  readonly start: StepStart;
  /** What must not come into the log. */
  readonly secrets: Iterable<string>;
}

/**
 * Works out what is known already. Inputs that can't be worked out (a rendered text that is too large, say) are the step's failure; so is a
 * bug of ours, since trying again would not help.
 */
export function prepareSafely(preparing: Preparing, prepare: () => PreparedStep): PreparedStep {
  try {
    return prepare();
  } catch (error) {
    const refusal =
      error instanceof DomainFailure ? { code: error.code, message: error.message } : unprepared(preparing, error);
    return { fact: { ...about(preparing.start), status: "FAILED", error: storableError(refusal), isFinal: true } };
  }
}

function unprepared({ ports, start: { run, stepId }, secrets }: Preparing, error: unknown): Refusal {
  const mask = createMask([...secrets, ...Object.values(run.givenSecrets)]);
  const reason = mask.text(error instanceof Error ? (error.stack ?? error.message) : String(error));
  ports.log.error({ runId: run.id, step: stepId, reason }, "step.unprepared");
  return { code: "internal_error", message: "Its inputs could not be worked out; the server's log says why." };
}
