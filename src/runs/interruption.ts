import { limits } from "../core/limits.ts";
import type { PlanStep } from "../playbooks/plan.ts";
import type { Fact } from "./events.ts";
import type { StepState } from "./fold.ts";

/**
 * What a step becomes that was under way when its node died: nobody knows whether it took effect. Of a live action there is a row that tells;
 * the step only looks at it again, however often that may be.
 */
export function interruptedFact(step: StepState, isEnding: boolean, type: PlanStep["type"] = "ACTION"): Fact {
  const { stepId, attempt } = step;
  const outcome = { type: "STEP_STATUS" as const, stepId, attempt };
  const unknown = {
    code: "effect_unknown",
    message: "The node that ran it died; whether it took effect is not known. A person must look.",
  };
  if (isEnding) return { ...outcome, status: "CANCELLED", error: unknown };
  if (type === "LIVE_ACTION") {
    const message = "The node that ran it died; its dispatch is looked up.";
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
