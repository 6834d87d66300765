import { limits } from "../core/limits.ts";
import type { FailureRule, Plan, PlanStep } from "../playbooks/plan.ts";
import { isTerminal } from "./events.ts";
import type { RunState, StepState } from "./fold.ts";
import type { Walk } from "./walk.ts";

/** Steps with something under way or to come; PENDING is one that was interrupted and is to start again. */
export function activeSteps(run: RunState): readonly StepState[] {
  return [...run.steps.values()].filter(({ status }) => !isTerminal(status));
}

/** Steps that an executor answers for: all that are under way but parallel ones. */
export function executingSteps(plan: Plan, run: RunState): readonly StepState[] {
  return activeSteps(run).filter(
    ({ stepId, status }) => status === "RUNNING" && plan.steps.get(stepId)?.type !== "PARALLEL",
  );
}

/** True while anything of the run has not had its last word: told to start, running, waiting, or to be tried again. */
export function isUnderWay(plan: Plan, { run, ready }: Pick<Walk, "run" | "ready">): boolean {
  if (ready.size > 0) return true;
  for (const step of run.steps.values()) if (!isOver(plan, run, step)) return true;
  return false;
}

/** True for a step with an outcome that no further try follows. */
export function isOver(plan: Plan, run: RunState, state: StepState): boolean {
  switch (state.status) {
    case "PENDING":
    case "RUNNING":
    case "WAITING":
      return false;
    default:
      return triesAgainAfter(plan, run, state) === undefined;
  }
}

/** How long until the next try of a step that has failed; undefined where there is none, or its run or its parallel step is ending. */
export function triesAgainAfter(plan: Plan, run: RunState, state: StepState): number | undefined {
  if (state.status !== "FAILED" && state.status !== "TIMED_OUT") return undefined;
  const step = plan.steps.get(state.stepId);
  if (!step || isStopping(plan, run, state.stepId) || isLeftAsItIs(plan, run, step)) return undefined;
  return retryDelay(step, state);
}

/** True where nothing of the step is begun any more: its run was told to stop, or the time of its parallel step is over. */
export function isStopping({ steps }: Plan, run: RunState, stepId: string): boolean {
  const parallel = steps.get(stepId)?.parallel;
  return run.ending !== undefined || (parallel !== undefined && run.steps.get(parallel)?.closing !== undefined);
}

/**
 * How long until the step's next try; undefined when there is none. A try of the step is up to `retry.max_attempts` of the
 * action's own attempts, its backoff doubling between them; `maxRetries` more such tries follow, `retryDelayMs` apart.
 */
export function retryDelay(step: PlanStep, state: StepState): number | undefined {
  if (state.isFinal || state.isTakenOver) return undefined;
  const tries = state.attempt - (state.firstAttempt - 1) - state.interruptions;
  const { maxAttempts, backoffMs } = state.retry ?? { maxAttempts: 1, backoffMs: 0 };
  const within = tries % maxAttempts;
  if (within !== 0) return Math.min(backoffMs * 2 ** (within - 1), limits.backoffMsMax);
  return tries / maxAttempts <= step.maxRetries ? step.retryDelayMs : undefined;
}

/** True for what people did not let happen, and for what they have to look at first: neither is begun again. */
export function isLeftAsItIs(plan: Plan, run: RunState, step: PlanStep): boolean {
  if (isRefusal(plan, run, step)) return true;
  return step.type === "PARALLEL" && step.branches.some((id) => isUnclear(run.steps.get(id)));
}

/** Codes of what may have taken effect, and nobody knows: of vendors, plugins, agents and nodes that were not heard of again. */
export const unknownEffects: ReadonlySet<string | null | undefined> = new Set([
  "effect_unknown",
  "vendor_timeout",
  "connection_failed",
  "invalid_answer",
  "plugin_ended",
  "plugin_answer_invalid",
]);

/** True for a step that a person has to look at: it may have taken effect, and doing it again might do it twice. */
export function isUnclear(state: StepState | undefined): boolean {
  return state?.isFinal === true && state.isTakenOver !== true && unknownEffects.has(state.error?.code);
}

/** What the last failure of a step does. A "no" of people goes to the step that is named for it, or ends the run: nothing else. */
export function ruleOf(plan: Plan, run: RunState, step: PlanStep, { status }: StepState): FailureRule {
  const rule = step.type === "APPROVAL" && status === "TIMED_OUT" ? step.onTimeout : step.onFailure;
  return typeof rule !== "object" && isRefusal(plan, run, step) ? "abort" : rule;
}

/**
 * True where people did not approve: of an approval that failed, of a live action that a policy asks them about, and of a parallel step with
 * such a branch, or whose time was over before the branch of an approval had its answer.
 */
export function isRefusal({ steps }: Plan, run: RunState, step: PlanStep): boolean {
  if (step.type === "APPROVAL") return true;
  if (step.type !== "PARALLEL") return isRefused(step, run.steps.get(step.id));
  const isClosed = run.steps.get(step.id)?.closing !== undefined;
  return step.branches.some((id) => {
    const [branch, state] = [steps.get(id), run.steps.get(id)];
    if (isRefused(branch, state)) return true;
    if (branch?.type !== "APPROVAL") return false;
    return isClosed && state?.status !== "SUCCEEDED" && state?.status !== "SIMULATED";
  });
}

/** What a dispatch comes to that people did not let happen. */
export const refusals = [
  "approval_rejected",
  "approval_expired",
  "withdrawn",
  "requester_revoked",
  "requester_lost_role",
] as const;

/** What a live action comes to that people did not let happen, or not in the time of its step. */
const stepRefusals: ReadonlySet<string | undefined> = new Set([...refusals, "timed_out"]);

/** True for what people were asked about and did not approve: of a step by itself, whatever it holds. */
export function isRefused(step: PlanStep | undefined, state: StepState | undefined): boolean {
  switch (step?.type) {
    case "APPROVAL":
      return state?.status === "FAILED" || state?.status === "TIMED_OUT" || state?.status === "CANCELLED";
    case "LIVE_ACTION":
      return state?.isFinal === true && stepRefusals.has(state.error?.code);
    default:
      return false;
  }
}
