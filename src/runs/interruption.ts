import { limits } from "../core/limits.ts";
import type { Fact, StepStatusFact } from "./events.ts";
import type { RunState, StepState } from "./fold.ts";

/** Something a run is to hear of, as its row says. */
export type Signal = { readonly id: string } & (
  | { readonly type: "CANCEL"; readonly body: { readonly reason?: string | null; readonly by?: string } }
  | { readonly type: "APPROVAL"; readonly body: DecisionBody }
  | { readonly type: "NOTICE"; readonly body: { readonly code: string; readonly message: string } }
);

/** How a request for approval was decided. */
export interface DecisionBody {
  readonly approvalId: string;
  readonly stepId: string;
  readonly status: "APPROVED" | "REJECTED" | "EXPIRED";
  /** Who decided; nobody where it expired. */
  readonly by?: string | null;
  readonly comment?: string | null;
}

/** What a step becomes that was under way when its node died: nobody knows whether it took effect. */
export function interruptedFact(step: StepState, isEnding: boolean): Fact {
  const { stepId, attempt } = step;
  const outcome = { type: "STEP_STATUS" as const, stepId, attempt };
  const unknown = {
    code: "effect_unknown",
    message: "The node that ran it died; whether it took effect is not known. A person must look.",
  };
  if (isEnding) return { ...outcome, status: "CANCELLED", error: unknown };
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

/** The events of signals. At least one each, since events are what consumes a signal: a decision that
 * comes when the step does not wait any more is told as just that. */
export function factsOf(signals: readonly Signal[], state: RunState): readonly Fact[] {
  const decided = new Set<string>();
  return signals.flatMap((signal): readonly Fact[] => {
    switch (signal.type) {
      case "CANCEL": {
        const { by, reason } = signal.body;
        const message = `Cancelled by ${by ?? "the system"}${reason ? `: ${reason}` : "."}`;
        return [{ type: "NOTICE", code: "cancel_requested", message }];
      }
      case "NOTICE":
        return [{ type: "NOTICE", ...signal.body }];
      case "APPROVAL": {
        const { stepId, approvalId, status } = signal.body;
        const step = state.steps.get(stepId);
        if (step?.status === "WAITING" && step.approvalId === approvalId && !decided.has(approvalId)) {
          decided.add(approvalId);
          return [decidedFact(step, signal.body)];
        }
        const message = `${status === "EXPIRED" ? "The time was over" : `It was ${status.toLowerCase()}`} when the step did not wait any more.`;
        return [{ type: "NOTICE", stepId, code: "approval_too_late", message }];
      }
      default:
        return signal satisfies never;
    }
  });
}

function decidedFact({ stepId, attempt }: StepState, { status, by, comment }: DecisionBody): StepStatusFact {
  const about = { type: "STEP_STATUS" as const, stepId, attempt };
  const output = { decision: status.toLowerCase(), decidedBy: by ?? null, comment: comment ?? null };
  switch (status) {
    case "APPROVED":
      return { ...about, status: "SUCCEEDED", output };
    case "REJECTED": {
      const message = `Rejected by ${by ?? "somebody"}${comment ? `: ${comment}` : "."}`;
      return { ...about, status: "FAILED", output, error: { code: "approval_rejected", message }, isFinal: true };
    }
    case "EXPIRED": {
      const error = { code: "approval_expired", message: "Nobody decided in time." };
      return { ...about, status: "TIMED_OUT", output, error, isFinal: true };
    }
    default:
      return status satisfies never;
  }
}
