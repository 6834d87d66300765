import type { Json } from "../core/json.ts";

/** A playbook's version, compiled: every default applied, every `next` resolved. What the run engine walks. */
export interface Plan {
  readonly key: string;
  readonly version: string;
  /** Id of the first step. */
  readonly first: string;
  readonly steps: ReadonlyMap<string, PlanStep>;
  /** Times the whole playbook may run again when a step's failure asks for it. */
  readonly maxRetries: number;
  /** Bound of the whole run, all its attempts included. */
  readonly timeoutMs?: number;
}

export type PlanStep = PlanActionStep | PlanConditionStep;

interface PlanStepCommon {
  readonly id: string;
  readonly name: string;
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

export interface PlanConditionStep extends PlanStepCommon {
  readonly type: "CONDITION";
  readonly expression: string;
  readonly onTrue: string | null;
  readonly onFalse: string | null;
}
