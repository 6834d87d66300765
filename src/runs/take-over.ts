import { cutText } from "../core/cut-text.ts";
import { limits } from "../core/limits.ts";
import type { Plan, PlanParallelStep, PlanStep } from "../playbooks/plan.ts";
import type { NoticeFact, StepStatus, StepStatusFact } from "./events.ts";
import type { RunState, StepState } from "./fold.ts";
import { isRefused, retryDelay, ruleOf } from "./outcome-rules.ts";

const passed: ReadonlySet<StepStatus> = new Set(["SUCCEEDED", "SIMULATED", "SKIPPED"]);
const failed: ReadonlySet<StepStatus> = new Set(["FAILED", "TIMED_OUT"]);

/**
 * The outcomes of the last attempt of a run that its rerun takes over, in the order of the plan: of steps that succeeded, and of failures
 * that the run went on from, so that the same way leads to the step that ended it. A request for approval is for one run only, and is
 * made again.
 */
export function takeOver(plan: Plan, run: RunState): readonly StepStatusFact[] {
  return [...plan.steps.values()].flatMap((step) => {
    const state = run.steps.get(step.id);
    return state && isTakenOver(plan, run, step) ? [factOf(state)] : [];
  });
}

/** What the rerun says of that, as its first event. */
export function rerunNotice(facts: readonly StepStatusFact[]): NoticeFact {
  const names = facts.map(({ stepId }) => stepId).join(", ");
  const message =
    names === "" ? "Nothing is taken over from the run before." : `Taken over from the run before: ${names}`;
  return { type: "NOTICE", code: "rerun_of", message: cutText(message, limits.textLengthMax) };
}

function isTakenOver(plan: Plan, run: RunState, step: PlanStep): boolean {
  const state = run.steps.get(step.id);
  if (!state || step.type === "APPROVAL") return false;
  if (step.type === "PARALLEL") return isWholeTakenOver(plan, run, { step, state });
  if (step.parallel === undefined) return isPassed(plan, run, { step, state });
  const around = plan.steps.get(step.parallel);
  // Where the parallel step is passed over, its branches do not begin again, so each is told as it ended.
  if (around?.type === "PARALLEL" && isTakenOver(plan, run, around))
    return passed.has(state.status) || failed.has(state.status);
  const isPassedOver = step.onFailure === "continue" && !isRefused(step, state);
  return passed.has(state.status) || (isPassedOver && hasFailed(run, { step, state }));
}

interface Known<Step extends PlanStep = PlanStep> {
  readonly step: Step;
  readonly state: StepState;
}

/** A step of the main line that the run went on from. */
function isPassed(plan: Plan, run: RunState, { step, state }: Known): boolean {
  if (passed.has(state.status)) return true;
  if (!hasFailed(run, { step, state })) return false;
  const rule = ruleOf(plan, run, step, state);
  return rule === "continue" || typeof rule === "object";
}

/**
 * A parallel step begins again for the sake of its branches: of an approval, which is asked for anew, and, where it had succeeded, of those
 * that the end of the run cut off.
 */
function isWholeTakenOver(plan: Plan, run: RunState, { step, state }: Known<PlanParallelStep>): boolean {
  if (!isPassed(plan, run, { step, state })) return false;
  return step.branches.every((id) => {
    if (plan.steps.get(id)?.type === "APPROVAL") return false;
    const status = run.steps.get(id)?.status;
    return failed.has(state.status) || (status !== undefined && (passed.has(status) || failed.has(status)));
  });
}

/** Failed for good, and by itself: not tried again even if the run had gone on, and not because the run broke. */
function hasFailed(run: RunState, { step, state }: Known): boolean {
  if (!failed.has(state.status)) return false;
  const { error } = state;
  const isRunsOwn = error !== undefined && error.code === run.error?.code && error.message === run.error.message;
  return !isRunsOwn && retryDelay(step, state) === undefined;
}

function factOf(state: StepState): StepStatusFact {
  const { stepId, attempt, status, input, output, error, warnings, actionVersionId } = state;
  return {
    type: "STEP_STATUS",
    stepId,
    attempt,
    status,
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { error }),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(actionVersionId === undefined ? {} : { actionVersionId }),
    ...(failed.has(status) ? { isFinal: true as const } : {}),
    isTakenOver: true,
  };
}
