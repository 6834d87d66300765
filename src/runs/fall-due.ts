import type { NoticeFact } from "./events.ts";
import { deadlineOf, dueOf } from "./head-change.ts";
import type { RunInfo } from "./new-run.ts";
import { wake } from "./transition.ts";
import type { Command, Walk } from "./walk.ts";

/** What the clock brings to a run. */
export interface FallenDue {
  readonly walk: Walk;
  readonly items: readonly (NoticeFact | Command)[];
  /** Requests for approval whose time is over: their rows say what becomes of them. */
  readonly expired: readonly string[];
}

/** All that has fallen due by `now` (milliseconds since 1970). The end of the run's own time comes before everything else. */
export function fallDue(walk: Walk, info: RunInfo, now: number): FallenDue {
  const deadline = deadlineOf(walk, info);
  if (deadline !== undefined && now >= deadline && !walk.run.ending) {
    const message = "The run's time was over.";
    return { walk, items: [{ type: "NOTICE", code: "run_timed_out", message }], expired: [] };
  }
  const items: (NoticeFact | Command)[] = [];
  const expired: string[] = [];
  let next = walk;
  for (const step of walk.run.steps.values()) {
    const { stepId, status, retryAt, approvalId } = step;
    if ((dueOf(walk, step, info) ?? Number.POSITIVE_INFINITY) > now) continue;
    if (status === "RUNNING") {
      const message = `The time of step ${stepId} was over; what is under way of it is ended.`;
      items.push({ type: "NOTICE", stepId, code: "step_timed_out", message });
    } else if (approvalId !== undefined && retryAt === undefined) expired.push(approvalId);
    else {
      const [woken, commands] = wake(next, stepId);
      next = woken;
      items.push(...commands);
    }
  }
  return { walk: next, items, expired };
}
