import type { Json } from "../core/json.ts";
import type { ExecutionError } from "../executors/executor.ts";
import type { Plan } from "../playbooks/plan.ts";
import { type RunState, unstarted } from "./fold.ts";

/** What the engine is to do next. Each is answered by an event, which leads to the next. */
export type Command =
  /** Resolve its inputs and begin; answered by RUNNING, WAITING or an outcome. */
  | { readonly type: "START_STEP"; readonly stepId: string; readonly attempt: number }
  /** Write WAITING, and wake the step after the delay. */
  | { readonly type: "RETRY_STEP"; readonly stepId: string; readonly attempt: number; readonly delayMs: number }
  /** End what is under way of it; answered by an outcome. */
  | { readonly type: "CANCEL_STEP"; readonly stepId: string }
  /** Write this outcome of a step that no executor answers for: a delay, a parallel step. */
  | (StepEnd & { readonly type: "END_STEP"; readonly stepId: string; readonly attempt: number })
  | Verdict;

/** How the run, or this attempt of it, is over. */
export type Verdict =
  /** Begin the whole playbook again. */
  | { readonly type: "RETRY_RUN"; readonly runAttempt: number }
  /** Write the terminal status. */
  | { readonly type: "FINISH_RUN"; readonly status: RunState["status"]; readonly error?: ExecutionError };

export interface StepEnd {
  readonly status: "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "CANCELLED";
  readonly output?: Json;
  readonly error?: ExecutionError;
}

/** A run on its way through a plan. */
export interface Walk {
  readonly run: RunState;
  /** Steps that were told to start and of which nothing has been heard yet, with their attempt. */
  readonly ready: ReadonlyMap<string, number>;
  /** The way through the steps has come to its end: what to do as soon as nothing is under way any more. */
  readonly verdict?: Verdict | undefined;
  /** FINISH_RUN was given: nothing more is commanded. */
  readonly isFinished: boolean;
}

/** What is walked: a playbook's plan, or one action by itself, whose outcome is the run's own. */
export interface RunPlan extends Plan {
  readonly kind: "PLAYBOOK" | "ACTION";
}

export const beginning: Walk = { run: unstarted, ready: new Map(), isFinished: false };
