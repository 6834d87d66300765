import type { Approver } from "../approvals/approver.ts";
import type { Json } from "../core/json.ts";

/** A playbook's version, compiled: every default applied, every `next` resolved. What the run engine walks. */
export interface Plan {
  readonly key: string;
  readonly version: string;
  /** Id of the first step. */
  readonly first: string;
  /** In the order of the document; branches stand behind their parallel step. */
  readonly steps: ReadonlyMap<string, PlanStep>;
  /** Times the whole playbook may run again when a step's failure asks for it. */
  readonly maxRetries: number;
  /** Bound of the whole run, all its attempts included. */
  readonly timeoutMs?: number;
}

export type PlanStep =
  | PlanActionStep
  | PlanLiveActionStep
  | PlanConditionStep
  | PlanParallelStep
  | PlanDelayStep
  | PlanApprovalStep;

interface PlanStepCommon {
  readonly id: string;
  readonly name: string;
  /**
   * The parallel step whose branch this is. A branch has no successor, and `abort` or `continue` on failure: abort fails the
   * parallel step, continue passes over it.
   */
  readonly parallel?: string;
  /** The step that follows a success; null ends the run. */
  readonly onSuccess: string | null;
  readonly onFailure: FailureRule;
  /** Times the step is tried again before `onFailure` applies. */
  readonly maxRetries: number;
  readonly retryDelayMs: number;
  /** Bound of one attempt; the action's own bound holds besides. */
  readonly timeoutMs?: number;
  readonly onInterrupt?: "retry" | "fail";
}

/** What a step's last failure does: end the run, go on as on success, run the whole playbook again, or go to a step. */
export type FailureRule = "abort" | "continue" | "retry" | { readonly step: string };

export interface PlanActionStep extends PlanStepCommon {
  readonly type: "ACTION";
  /** As pinned: resolves within this line, or to exactly this version. */
  readonly actionRef: string;
  /** The pinned action's row; the reference's name may be that of another action by now. */
  readonly actionId: string;
  readonly parameters: Readonly<Record<string, Json>>;
}

export interface PlanLiveActionStep extends PlanStepCommon {
  readonly type: "LIVE_ACTION";
  /** lower_snake, e.g. `isolate_host`. */
  readonly capability: string;
  /** Left out: the tenant's pinned vendor, or the only one. */
  readonly vendorId?: string;
  /** A template. */
  readonly target: string;
  /** Texts in it are templates. */
  readonly params: Readonly<Record<string, Json>>;
  /** The vendor is not contacted, in no run. */
  readonly dryRun: boolean;
}

export interface PlanConditionStep extends PlanStepCommon {
  readonly type: "CONDITION";
  readonly expression: string;
  readonly onTrue: string | null;
  readonly onFalse: string | null;
}

export interface PlanParallelStep extends PlanStepCommon {
  readonly type: "PARALLEL";
  /** Ids of its branches, at least one. */
  readonly branches: readonly string[];
  readonly join: "ALL" | "ANY";
}

export interface PlanDelayStep extends PlanStepCommon {
  readonly type: "DELAY";
  readonly durationMs: number;
}

/** Never tried again, and its `onFailure` is never `continue` or `retry`: a "no" never goes on. `timeoutMs` is the time people have. */
export interface PlanApprovalStep extends PlanStepCommon {
  readonly type: "APPROVAL";
  readonly onFailure: "abort" | { readonly step: string };
  readonly onTimeout: "abort" | { readonly step: string };
  /** At least one; any of them may decide. */
  readonly approvers: readonly Approver[];
  /** A template. */
  readonly message?: string;
}
