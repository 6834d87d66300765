import { limits } from "../core/limits.ts";
import type { ExecutionError } from "../executors/executor.ts";
import type { FailureRule, Plan, PlanStep } from "../playbooks/plan.ts";
import { isTerminal, type RunEvent } from "./events.ts";
import { fold, type RunState, type StepState, unstarted } from "./fold.ts";

/** What the engine is to do next. Each is answered by an event, which leads to the next. */
export type Command =
  /** Resolve its inputs and begin; answered by RUNNING or by an outcome. */
  | { readonly type: "START_STEP"; readonly stepId: string; readonly attempt: number }
  /** Write WAITING, and wake the step after the delay. */
  | { readonly type: "RETRY_STEP"; readonly stepId: string; readonly attempt: number; readonly delayMs: number }
  /** End what is under way of it; answered by an outcome. */
  | { readonly type: "CANCEL_STEP"; readonly stepId: string }
  /** Begin the whole playbook again. */
  | { readonly type: "RETRY_RUN"; readonly runAttempt: number }
  /** Write the terminal status. */
  | { readonly type: "FINISH_RUN"; readonly status: RunState["status"]; readonly error?: ExecutionError };

/** A run on its way through a plan. */
export interface Walk {
  readonly run: RunState;
  /** Steps that were told to start and of which nothing has been heard yet, with their attempt. */
  readonly ready: ReadonlyMap<string, number>;
  /** FINISH_RUN was given: nothing more is commanded. */
  readonly isFinished: boolean;
}

/** What is walked: a playbook's plan, or one action by itself, whose outcome is the run's own. */
export interface RunPlan extends Plan {
  readonly kind: "PLAYBOOK" | "ACTION";
}

const nothingReady: ReadonlyMap<string, number> = new Map();

export const beginning: Walk = { run: unstarted, ready: nothingReady, isFinished: false };

type Move = readonly [Walk, readonly Command[]];

/**
 * The next state and what to do, from one more event. Pure and total: an event that is old news changes nothing.
 * Every run ends: each step's tries are bounded, a plan has no cycles, and once `ending` is set nothing is started.
 */
export function transition(plan: RunPlan, before: Walk, event: RunEvent): Move {
  const walk: Walk = { ...before, run: fold(before.run, event) };
  if (walk.isFinished) return [walk, []];
  switch (event.type) {
    case "RUN_STATUS":
      return event.status === "RUNNING" && walk.run.steps.size === 0 && walk.ready.size === 0
        ? startStep(walk, plan.first, 1)
        : [walk, []];
    case "STEP_STATUS":
      if (walk.run.steps === before.run.steps) return [walk, []];
      return afterStep(plan, heardOf(walk, event.stepId), event.stepId);
    case "NOTICE":
      return afterNotice(plan, walk, event);
    case "LOG":
      return [walk, []];
    default:
      return event satisfies never;
  }
}

/** The delay of a retry is over: the step starts, unless the run is ending or the step no longer waits. */
export function wake(walk: Walk, stepId: string): Move {
  const step = walk.run.steps.get(stepId);
  if (walk.isFinished || walk.run.ending || step?.status !== "WAITING") return [walk, []];
  return startStep(walk, stepId, step.attempt);
}

/** Steps with something under way or to come. */
export function activeSteps(walk: Walk): readonly StepState[] {
  return [...walk.run.steps.values()].filter(({ status }) => status === "RUNNING" || status === "WAITING");
}

function afterNotice(plan: RunPlan, walk: Walk, event: RunEvent & { type: "NOTICE" }): Move {
  if (event.code === "step_interrupted" && event.stepId !== undefined && !walk.run.ending) {
    const step = walk.run.steps.get(event.stepId);
    return step ? startStep(walk, step.stepId, step.attempt + 1) : [walk, []];
  }
  if (event.code !== "cancel_requested" && event.code !== "run_timed_out") return [walk, []];
  const stopped: Walk = { ...walk, ready: new Map() };
  const active = activeSteps(stopped);
  if (active.length === 0) return end(plan, stopped);
  return [stopped, active.map(({ stepId }) => ({ type: "CANCEL_STEP", stepId }))];
}

function afterStep(plan: RunPlan, walk: Walk, stepId: string): Move {
  const state = walk.run.steps.get(stepId);
  const step = plan.steps.get(stepId);
  if (!state || !step || !isTerminal(state.status)) return [walk, []];
  if (walk.run.ending) return end(plan, walk);
  switch (state.status) {
    case "SUCCEEDED":
    case "SIMULATED":
      return goOn(plan, walk, nextOf(step, state));
    case "SKIPPED":
      return plan.kind === "ACTION" ? finish(walk, "SKIPPED") : goOn(plan, walk, step.onSuccess);
    case "FAILED":
    case "TIMED_OUT":
      return afterFailure(plan, walk, { step, state });
    case "CANCELLED":
      return finish(walk, "CANCELLED", { code: "cancelled", message: `Step ${stepId} was cancelled.` });
    default:
      return [walk, []];
  }
}

function afterFailure(plan: RunPlan, walk: Walk, { step, state }: { step: PlanStep; state: StepState }): Move {
  const delayMs = retryDelay(step, state);
  if (delayMs !== undefined) {
    return [walk, [{ type: "RETRY_STEP", stepId: step.id, attempt: state.attempt + 1, delayMs }]];
  }
  return applyRule(plan, walk, { step, state, rule: step.onFailure });
}

interface Failed {
  readonly step: PlanStep;
  readonly state: StepState;
  readonly rule: FailureRule;
}

function applyRule(plan: RunPlan, walk: Walk, { step, state, rule }: Failed): Move {
  if (typeof rule === "object") return goOn(plan, walk, rule.step);
  if (rule === "continue") return goOn(plan, walk, step.onSuccess);
  if (rule === "retry" && walk.run.runAttempt <= plan.maxRetries) {
    return [walk, [{ type: "RETRY_RUN", runAttempt: walk.run.runAttempt + 1 }]];
  }
  const error = state.error ?? { code: "step_failed", message: "The step failed." };
  if (plan.kind === "ACTION") return finish(walk, state.status === "TIMED_OUT" ? "TIMED_OUT" : "FAILED", error);
  return finish(walk, "FAILED", { code: error.code, message: `Step ${step.id}: ${error.message}` });
}

/**
 * How long until the step's next try; undefined when there is none. A try of the step is up to `retry.max_attempts` of the
 * action's own attempts, its backoff doubling between them; `maxRetries` more such tries follow, `retryDelayMs` apart.
 */
export function retryDelay(step: PlanStep, state: StepState): number | undefined {
  if (state.isFinal) return undefined;
  const tries = state.attempt - state.interruptions;
  const { maxAttempts, backoffMs } = state.retry ?? { maxAttempts: 1, backoffMs: 0 };
  const within = tries % maxAttempts;
  if (within !== 0) return Math.min(backoffMs * 2 ** (within - 1), limits.backoffMsMax);
  return tries / maxAttempts <= step.maxRetries ? step.retryDelayMs : undefined;
}

function nextOf(step: PlanStep, state: StepState): string | null {
  if (step.type !== "CONDITION") return step.onSuccess;
  const output = state.output as { readonly result?: unknown } | undefined;
  return output?.result === true ? step.onTrue : step.onFalse;
}

function goOn(plan: RunPlan, walk: Walk, next: string | null): Move {
  return next === null ? end(plan, walk) : startStep(walk, next, 1);
}

function startStep(walk: Walk, stepId: string, attempt: number): Move {
  return [{ ...walk, ready: new Map(walk.ready).set(stepId, attempt) }, [{ type: "START_STEP", stepId, attempt }]];
}

/** Ends the run as soon as nothing of it is under way. */
function end(_plan: RunPlan, walk: Walk): Move {
  if (walk.ready.size > 0 || activeSteps(walk).length > 0) return [walk, []];
  const { ending } = walk.run;
  return ending ? finish(walk, ending.status, ending.error) : finish(walk, "SUCCEEDED");
}

function finish(walk: Walk, status: RunState["status"], error?: ExecutionError): Move {
  return [{ ...walk, isFinished: true }, [{ type: "FINISH_RUN", status, ...(error ? { error } : {}) }]];
}

function heardOf(walk: Walk, stepId: string): Walk {
  if (!walk.ready.has(stepId)) return walk;
  if (walk.ready.size === 1) return { ...walk, ready: nothingReady };
  const ready = new Map(walk.ready);
  ready.delete(stepId);
  return { ...walk, ready };
}
