import type { Fact, StepStatusFact } from "./events.ts";
import type { RunState, StepState } from "./fold.ts";

/** Something a run is to hear of, as its row says. */
export type Signal = { readonly id: string } & (
  | { readonly type: "CANCEL"; readonly body: { readonly reason?: string | null; readonly by?: string } }
  | { readonly type: "APPROVAL"; readonly body: DecisionBody }
  | { readonly type: "NOTICE"; readonly body: { readonly code: string; readonly message: string } }
);

/** Tells news from what a run has heard of before. */
export class HeardSignals {
  readonly #ids = new Set<string>();

  /** The facts of those that are news, and their ids. */
  hear(signals: readonly Signal[], state: RunState): { facts: readonly Fact[]; ids: readonly string[] } {
    const news = signals.filter(({ id }) => !this.#ids.has(id));
    for (const { id } of news) this.#ids.add(id);
    return { facts: factsOf(news, state), ids: news.map(({ id }) => id) };
  }
}

/** How a request for approval was decided. */
export interface DecisionBody {
  readonly approvalId: string;
  readonly stepId: string;
  readonly status: "APPROVED" | "REJECTED" | "EXPIRED";
  /** Who decided; nobody where it expired. */
  readonly by?: string | null;
  readonly comment?: string | null;
}

/**
 * The events of signals. At least one each, since events are what consumes a signal: a decision that comes when the step does not wait any
 * more is told as just that.
 */
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
