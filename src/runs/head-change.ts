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
  let due = Number.POSITIVE_INFINITY;
  for (const { status, retryAt } of walk.run.steps.values()) {
    if (status === "WAITING" && retryAt !== undefined && retryAt < due) due = retryAt;
  }
  if (!walk.run.ending) due = Math.min(due, deadlineOf(walk, info) ?? due);
  return due === Number.POSITIVE_INFINITY ? undefined : due;
}

/** When the run's time is over. */
export function deadlineOf(walk: Walk, { plan }: RunInfo): number | undefined {
  const { startedAt } = walk.run;
  return plan.timeoutMs === undefined || startedAt === undefined ? undefined : startedAt + plan.timeoutMs;
}

/** When the run may be put out of memory until, because it only waits, and for long; undefined where it must stay. */
export function parkUntil(walk: Walk, info: RunInfo): number | undefined {
  if (walk.isFinished || walk.ready.size > 0 || walk.run.ending) return undefined;
  let isWaiting = false;
  for (const { status } of walk.run.steps.values()) {
    if (status === "RUNNING") return undefined;
    if (status === "WAITING") isWaiting = true;
  }
  if (!isWaiting) return undefined;
  const due = nextDue(walk, info);
  return due !== undefined && due - Date.now() > limits.parkAfterMs ? due : undefined;
}
