import { limits } from "../core/limits.ts";
import { isTerminal } from "./events.ts";
import { countSteps, type StepState } from "./fold.ts";
import type { HeadChange } from "./journal-entry.ts";
import type { RunInfo } from "./new-run.ts";
import type { Walk } from "./walk.ts";

/** The run's row as its walk says. With `wake`, the run is given up until then; `held` are the bytes that it holds in memory. */
export function headChange({ run }: Walk, wake: number | null, held: number): HeadChange {
  const { failedStepCount, simulatedStepCount } = countSteps(run);
  return {
    status: run.status,
    is_released: wake !== null || isTerminal(run.status),
    wake,
    held: isTerminal(run.status) ? null : held,
    started: run.startedAt ?? null,
    finished: run.finishedAt ?? null,
    attempt: run.runAttempt,
    failed: failedStepCount,
    simulated: simulatedStepCount,
    error_code: run.error?.code ?? null,
    error_message: run.error?.message ?? null,
  };
}

const none: ReadonlySet<string> = new Set();

/**
 * When something falls due that nothing but the clock brings: a retry, the end of a delay, of the time for an approval or a parallel step,
 * or of the time the run has. Milliseconds since 1970.
 * @param expiring Requests for approval that have fallen due already.
 */
export function nextDue(walk: Walk, info: RunInfo, expiring: ReadonlySet<string> = none): number | undefined {
  if (walk.isFinished) return undefined;
  let due = Number.POSITIVE_INFINITY;
  for (const step of walk.run.steps.values()) {
    if (!expiring.has(step.approvalId ?? "")) due = Math.min(due, dueOf(walk, step, info) ?? due);
  }
  if (!walk.run.ending) due = Math.min(due, deadlineOf(walk, info) ?? due);
  return due === Number.POSITIVE_INFINITY ? undefined : due;
}

/** When the step falls due by itself. One that was told to start has: it only waits for its inputs. */
export function dueOf({ ready }: Walk, step: StepState, info: RunInfo): number | undefined {
  if (ready.has(step.stepId)) return undefined;
  if (step.status === "WAITING") return step.retryAt ?? step.until ?? step.expiresAt;
  return step.status === "RUNNING" && !step.closing ? parallelDue(step, info) : undefined;
}

function parallelDue({ stepId, startedAt }: StepState, { plan }: RunInfo): number | undefined {
  const step = plan.steps.get(stepId);
  if (step?.type !== "PARALLEL" || step.timeoutMs === undefined || startedAt === undefined) return undefined;
  return startedAt + step.timeoutMs;
}

/** When the run's time is over. */
export function deadlineOf(walk: Walk, { plan }: RunInfo): number | undefined {
  const { startedAt } = walk.run;
  return plan.timeoutMs === undefined || startedAt === undefined ? undefined : startedAt + plan.timeoutMs;
}

/** Whether nothing of it has to end before it can leave memory, provided that nothing is under way: what is ready stays so. */
export function isBetweenSteps({ run, ready, isFinished }: Walk): boolean {
  return ready.size > 0 && !run.ending && !isFinished;
}

/**
 * When the run may be put out of memory until, because it only waits: for people, or for long. Undefined where it must stay.
 * Branches that wait let their parallel step wait with them. One that is to make room parks for any time.
 */
export function parkUntil(walk: Walk, info: RunInfo, now: number, isToLeave = false): number | undefined {
  if (walk.isFinished || walk.ready.size > 0 || walk.run.ending) return undefined;
  let isWaiting = false;
  let isForPeople = false;
  for (const { stepId, status, approvalId } of walk.run.steps.values()) {
    if (status === "PENDING") return undefined;
    if (status === "RUNNING" && info.plan.steps.get(stepId)?.type !== "PARALLEL") return undefined;
    if (status !== "WAITING") continue;
    isWaiting = true;
    if (approvalId !== undefined) isForPeople = true;
  }
  if (!isWaiting) return undefined;
  const due = nextDue(walk, info) ?? now + limits.parkMsMax;
  const leastMs = isToLeave ? 0 : isForPeople ? limits.parkForPeopleMs : limits.parkAfterMs;
  return due - now > leastMs ? due : undefined;
}
