import { limits } from "../core/limits.ts";
import { isTerminal } from "./events.ts";
import { countSteps } from "./fold.ts";
import type { HeadChange } from "./journal-entry.ts";
import type { RunInfo } from "./new-run.ts";
import type { Walk } from "./transition.ts";

/** The run's row as its walk says. With `wake`, the run is given up until then. */
export function headChange({ run }: Walk, wake: number | null): HeadChange {
  const { failedStepCount, simulatedStepCount } = countSteps(run);
  return {
    status: run.status,
    is_released: wake !== null || isTerminal(run.status),
    wake,
    started: run.startedAt ?? null,
    finished: run.finishedAt ?? null,
    attempt: run.runAttempt,
    failed: failedStepCount,
    simulated: simulatedStepCount,
    error_code: run.error?.code ?? null,
    error_message: run.error?.message ?? null,
  };
}

/** When something falls due that nothing but the clock brings: a retry, or the end of the time the run has. Milliseconds since 1970. */
export function nextDue(walk: Walk, info: RunInfo): number | undefined {
  if (walk.isFinished) return undefined;
  const due: number[] = [];
  for (const step of walk.run.steps.values()) {
    if (step.status === "WAITING" && step.retryAt !== undefined) due.push(step.retryAt);
  }
  const deadline = deadlineOf(walk, info);
  if (deadline !== undefined && !walk.run.ending) due.push(deadline);
  return due.length === 0 ? undefined : Math.min(...due);
}

/** When the run's time is over. */
export function deadlineOf(walk: Walk, { plan }: RunInfo): number | undefined {
  const { startedAt } = walk.run;
  return plan.timeoutMs === undefined || startedAt === undefined ? undefined : startedAt + plan.timeoutMs;
}

/** When the run may be put out of memory until, because it only waits, and for long; undefined where it must stay. */
export function parkUntil(walk: Walk, info: RunInfo): number | undefined {
  if (walk.isFinished || walk.ready.size > 0 || walk.run.ending) return undefined;
  const statuses = [...walk.run.steps.values()].map(({ status }) => status);
  if (!statuses.includes("WAITING") || statuses.includes("RUNNING")) return undefined;
  const due = nextDue(walk, info);
  return due !== undefined && due - Date.now() > limits.parkAfterMs ? due : undefined;
}
