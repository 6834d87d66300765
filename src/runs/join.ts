import type { ExecutionError } from "../executors/executor.ts";
import type { Plan, PlanParallelStep } from "../playbooks/plan.ts";
import { isTerminal } from "./events.ts";
import type { StepState } from "./fold.ts";
import { isOver, isRefused, isUnclear } from "./outcome-rules.ts";
import type { StepEnd, Walk } from "./walk.ts";

/**
 * How a parallel step ends, asked after each thing that happened to one of its branches; undefined while it goes on. `ALL` waits for every
 * branch, then fails if one failed; `ANY` takes the outcome of the first that ends, or of what was refused, or a person has to look at, before
 * this try of it began. Once its time is over it waits for what is being ended.
 */
export function joinedOutcome(plan: Plan, walk: Walk, step: PlanParallelStep): StepEnd | undefined {
  const { run, ready } = walk;
  const closing = run.steps.get(step.id)?.closing;
  const overOf = (id: string) => {
    const state = run.steps.get(id);
    return state && !ready.has(id) && isOver(plan, run, state) ? state : undefined;
  };
  const isAwaited = (id: string) => {
    const state = run.steps.get(id);
    return closing ? state !== undefined && !isTerminal(state.status) : overOf(id) === undefined;
  };
  // From the last: branches end in about their order, and each of a thousand that ends asks this.
  if ((closing || step.join === "ALL") && step.branches.findLast(isAwaited) !== undefined) return undefined;
  const over = step.branches.flatMap((id) => overOf(id) ?? []);
  if (closing) return { ...ended(plan, over), status: "TIMED_OUT", error: closing };
  if (step.join === "ALL") return ended(plan, over);
  const refused = over.find((branch) => isRefused(plan.steps.get(branch.stepId), branch));
  const first = refused ?? over.find(isUnclear) ?? over[0];
  return first && ended(plan, [first]);
}

function ended(plan: Plan, branches: readonly StepState[]): StepEnd {
  const output = {
    branches: Object.fromEntries(branches.map(({ stepId, status }) => [stepId, status.toLowerCase()])),
  };
  const failed = branches.filter((branch) => hasFailed(plan, branch));
  const [first] = failed;
  if (!first) return { status: "SUCCEEDED", output };
  const isTimedOut = failed.every(({ status }) => status === "TIMED_OUT");
  return { status: isTimedOut ? "TIMED_OUT" : "FAILED", output, error: errorOf(first, failed.length - 1) };
}

/** A branch that says `on_failure: continue` fails for itself only, unless people said no to it. */
function hasFailed({ steps }: Plan, state: StepState): boolean {
  const step = steps.get(state.stepId);
  if (state.status === "CANCELLED") return true;
  if (state.status !== "FAILED" && state.status !== "TIMED_OUT") return false;
  return step?.onFailure !== "continue" || isRefused(step, state);
}

function errorOf({ stepId, status, error }: StepState, others: number): ExecutionError {
  const { code, message } = error ?? { code: "branch_failed", message: `It is ${status.toLowerCase()}.` };
  const more = others === 0 ? "" : ` ${others} more ${others === 1 ? "branch" : "branches"} failed.`;
  return { code, message: `Branch ${stepId}: ${message}${more}` };
}
