import { limits } from "../core/limits.ts";
import type { Plan, PlanStep } from "../playbooks/plan.ts";
import type { Fact, NoticeFact } from "./events.ts";
import type { RunState, StepState } from "./fold.ts";
import { activeSteps, isStopping } from "./outcome-rules.ts";

/** A step that was under way when its node died. */
export interface Interruption {
  readonly step: StepState;
  readonly type: PlanStep["type"] | undefined;
  /** It is not to begin again: its run was told to stop, or the time for it is over. */
  readonly isOver: boolean;
}

/**
 * What was under way of a run when its node died. What goes on elsewhere, and was interrupted by an earlier death, is still that where it is
 * not to begin again: nobody has heard of it since.
 * @param news What the run has yet to hear.
 */
export function interruptions(
  plan: Plan,
  run: RunState,
  { overdue, isCancelled }: { readonly overdue: readonly NoticeFact[]; readonly isCancelled: boolean },
): readonly Interruption[] {
  const isEnding = isCancelled || overdue.some(({ code }) => code === "run_timed_out" || code === "tenant_disabled");
  return activeSteps(run).flatMap((step) => {
    const planned = plan.steps.get(step.stepId);
    const isOverdue = overdue.some(({ stepId }) => stepId !== undefined && stepId === planned?.parallel);
    const isOver = isEnding || isOverdue || isStopping(plan, run, step.stepId);
    const isLeft = step.status === "PENDING" && isOver && isHeard(step, planned?.type);
    const isUnderWay = step.status === "RUNNING" && planned?.type !== "PARALLEL";
    return isUnderWay || isLeft ? [{ step, type: planned?.type, isOver }] : [];
  });
}

/** Its try goes on without the node, and a row tells how: of a live action, and of an action that an agent carries out. */
export function isHeard({ onInterrupt }: StepState, type: PlanStep["type"] | undefined): boolean {
  return type === "LIVE_ACTION" || onInterrupt === "hear";
}

/**
 * What a step becomes that was under way when its node died: nobody knows whether it took effect. Where a row tells, the step only
 * looks at it again, however often that may be.
 */
export function interruptedFact({ step, type, isOver }: Interruption): Fact {
  const { stepId, attempt } = step;
  const outcome = { type: "STEP_STATUS" as const, stepId, attempt };
  const unknown = {
    code: "effect_unknown",
    message: "The node that ran it died; whether it took effect is not known. A person must look.",
  };
  if (isOver) return { ...outcome, status: "CANCELLED", error: unknown };
  if (isHeard(step, type)) {
    const row = type === "LIVE_ACTION" ? "its dispatch" : "the task of its agent";
    const message = `The node that ran it died; ${row} is looked up.`;
    return { type: "NOTICE", stepId, code: "step_interrupted", message };
  }
  if (step.onInterrupt === "fail") return { ...outcome, status: "FAILED", error: unknown, isFinal: true };
  if (step.interruptions >= limits.interruptionsMax) {
    const message = `Its node died under it ${step.interruptions + 1} times; it is not tried again.`;
    return { ...outcome, status: "FAILED", error: { code: "interrupted", message }, isFinal: true };
  }
  return {
    type: "NOTICE",
    stepId,
    code: "step_interrupted",
    message: "The node that ran it died; it is run again with the same Idempotency-Key.",
  };
}
