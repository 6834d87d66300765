import type { Json, JsonObject } from "../core/json.ts";
import { withEntry } from "../core/sharing-map.ts";
import type { ExecutionError } from "../executors/executor.ts";
import {
  type BoundStep,
  isTerminal,
  type RunEvent,
  type RunStatus,
  type StepStatus,
  type StepStatusFact,
} from "./events.ts";

/** One step of a run, as its events tell. */
export interface StepState {
  readonly stepId: string;
  readonly status: StepStatus;
  /** Of the latest try, from 1; while WAITING for a retry, of the one to come. */
  readonly attempt: number;
  /** The attempt that this round of tries began with: a branch begins a new round each time its parallel step is tried again. */
  readonly firstAttempt: number;
  /** Tries of this round that ended with the death of their node: they do not count against the retries. */
  readonly interruptions: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly input?: Json;
  readonly output?: Json;
  readonly error?: ExecutionError;
  readonly warnings: readonly string[];
  readonly actionVersionId?: string;
  readonly retry?: StepStatusFact["retry"];
  readonly onInterrupt?: "fail" | "hear";
  readonly retryAt?: number;
  /** While a delay is WAITING: when it is over. */
  readonly until?: number;
  /** Of an approval: the request it waits or waited for, and what it bound. */
  readonly approvalId?: string;
  readonly expiresAt?: number;
  readonly bound?: Readonly<Record<string, BoundStep>>;
  readonly isFinal?: true;
  /** Its outcome is that of the run this one reruns. */
  readonly isTakenOver?: true;
  readonly deeds?: JsonObject;
  /** Of a parallel step whose time is over: how it ends once its branches have, and that they are not tried again. Until its next try. */
  readonly closing?: ExecutionError;
}

/** A run, as its events tell. */
export interface RunState {
  readonly status: RunStatus;
  /** Sequence of the last event; 0 before the first. */
  readonly sequence: number;
  readonly runAttempt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly error?: ExecutionError;
  /** Steps that something has happened to in this attempt of the run. */
  readonly steps: ReadonlyMap<string, StepState>;
  /** Set once the run has been told to stop: how it will end. */
  readonly ending?: { readonly status: "CANCELLED" | "TIMED_OUT" | "FAILED"; readonly error: ExecutionError };
}

export const unstarted: RunState = { status: "QUEUED", sequence: 0, runAttempt: 1, steps: new Map() };

/** The state after one more event. Pure: the interpreter after a crash, the API and the streams all read a run through it. */
export function fold(state: RunState, event: RunEvent): RunState {
  switch (event.type) {
    case "RUN_STATUS":
      return foldRunStatus(state, event);
    case "STEP_STATUS": {
      const before = state.steps.get(event.stepId);
      // A try has one outcome, the first: a second one is old news, like all of an earlier try.
      const isOld =
        before && (event.attempt < before.attempt || (isTerminal(before.status) && event.attempt === before.attempt));
      if (isOld) return { ...state, sequence: event.sequence };
      return { ...state, sequence: event.sequence, steps: withStep(state, foldStep(before, event)) };
    }
    case "NOTICE":
      return { ...foldNotice(state, event), sequence: event.sequence };
    case "LOG":
      return { ...state, sequence: event.sequence };
    default:
      return event satisfies never;
  }
}

function foldRunStatus(state: RunState, event: RunEvent & { type: "RUN_STATUS" }): RunState {
  const { status, sequence, runAttempt, at, error } = event;
  const isNewAttempt = runAttempt > state.runAttempt;
  const { error: _before, ...rest } = state;
  return {
    ...rest,
    status,
    sequence,
    runAttempt,
    ...(status !== "QUEUED" && state.startedAt === undefined ? { startedAt: at } : {}),
    ...(isTerminal(status) ? { finishedAt: at } : {}),
    ...(error ? { error } : {}),
    steps: isNewAttempt ? takenOver(state.steps) : state.steps,
  };
}

/** What a rerun took over holds for each of its attempts. */
function takenOver(steps: RunState["steps"]): RunState["steps"] {
  return new Map([...steps].filter(([, { isTakenOver }]) => isTakenOver));
}

// Field by field: spreading a dozen small objects took a third of the time that a run needs for itself.
function foldStep(known: StepState | undefined, event: RunEvent & { type: "STEP_STATUS" }): StepState {
  const { stepId, attempt, status, at } = event;
  // A new round of tries knows nothing of the last.
  const before = known && isTerminal(known.status) && event.retryAt === undefined ? undefined : known;
  const step: Mutable<StepState> = {
    stepId,
    attempt,
    status,
    firstAttempt: before?.firstAttempt ?? attempt,
    interruptions: before?.interruptions ?? 0,
    warnings: warningsOf(before, event),
  };
  set(step, "input", event.input ?? before?.input);
  set(step, "actionVersionId", event.actionVersionId ?? before?.actionVersionId);
  set(step, "retry", event.retry ?? before?.retry);
  set(step, "onInterrupt", event.onInterrupt ?? before?.onInterrupt);
  if (status === "RUNNING") step.startedAt = at;
  else if (status === "WAITING") foldWaiting(step, before, event);
  else {
    step.startedAt = before?.startedAt ?? at;
    step.finishedAt = at;
    set(step, "output", event.output);
    set(step, "error", event.error);
    set(step, "isFinal", event.isFinal);
    set(step, "isTakenOver", event.isTakenOver);
    set(step, "deeds", event.deeds);
    set(step, "approvalId", before?.approvalId);
    set(step, "bound", before?.bound);
    set(step, "closing", before?.closing);
  }
  return step;
}

/** A wait for the next try keeps what the last one came to; a delay and an approval begin with theirs. */
function foldWaiting(
  step: Mutable<StepState>,
  before: StepState | undefined,
  event: RunEvent & { type: "STEP_STATUS" },
): void {
  if (event.retryAt !== undefined) {
    set(step, "startedAt", before?.startedAt);
    set(step, "error", before?.error);
    set(step, "closing", before?.closing);
    set(step, "retryAt", event.retryAt);
    return;
  }
  step.startedAt = event.at;
  set(step, "until", event.until);
  set(step, "approvalId", event.approval?.id);
  set(step, "expiresAt", event.approval?.expiresAt);
  set(step, "bound", event.approval?.bound);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What is undefined stays away. */
function set<K extends keyof StepState>(step: Mutable<StepState>, key: K, value: StepState[K] | undefined): void {
  if (value !== undefined) step[key] = value;
}

const noWarnings: readonly string[] = [];

/** A try begins without any. */
function warningsOf(before: StepState | undefined, event: RunEvent & { type: "STEP_STATUS" }): readonly string[] {
  const earlier = event.status === "RUNNING" ? noWarnings : (before?.warnings ?? noWarnings);
  return event.warnings ? [...earlier, ...event.warnings] : earlier;
}

function foldNotice(state: RunState, event: RunEvent & { type: "NOTICE" }): RunState {
  const error = { code: event.code, message: event.message };
  switch (event.code) {
    case "cancel_requested":
      return state.ending
        ? state
        : { ...state, ending: { status: "CANCELLED", error: { ...error, code: "cancelled" } } };
    case "run_timed_out":
      return state.ending ? state : { ...state, ending: { status: "TIMED_OUT", error } };
    case "tenant_disabled":
      return state.ending ? state : { ...state, ending: { status: "FAILED", error } };
    case "step_timed_out": {
      const step = event.stepId === undefined ? undefined : state.steps.get(event.stepId);
      if (step?.status !== "RUNNING" || step.closing) return state;
      return { ...state, steps: withStep(state, { ...step, closing: { ...error, code: "timed_out" } }) };
    }
    case "step_interrupted": {
      const step = event.stepId === undefined ? undefined : state.steps.get(event.stepId);
      if (step?.status !== "RUNNING") return state;
      return {
        ...state,
        steps: withStep(state, { ...step, status: "PENDING", interruptions: step.interruptions + 1 }),
      };
    }
    default:
      return state;
  }
}

/** Steps that failed and steps that were simulated: what every view of a run shows beside its status. */
export function countSteps(state: RunState): { failedStepCount: number; simulatedStepCount: number } {
  let failedStepCount = 0;
  let simulatedStepCount = 0;
  for (const { status } of state.steps.values()) {
    if (status === "FAILED" || status === "TIMED_OUT") failedStepCount += 1;
    if (status === "SIMULATED") simulatedStepCount += 1;
  }
  return { failedStepCount, simulatedStepCount };
}

function withStep(state: RunState, step: StepState): ReadonlyMap<string, StepState> {
  return withEntry(state.steps, step.stepId, step);
}
