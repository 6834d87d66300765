import type { Json, JsonObject } from "../core/json.ts";
import type { ExecutionError } from "../executors/executor.ts";
import type { runStatuses } from "./entities.ts";

export type RunStatus = (typeof runStatuses)[number];
export const stepStatuses = [
  "PENDING",
  "RUNNING",
  "WAITING",
  "SUCCEEDED",
  "SIMULATED",
  "FAILED",
  "TIMED_OUT",
  "SKIPPED",
  "CANCELLED",
] as const;
export type StepStatus = (typeof stepStatuses)[number];
export type LogStream = "STDOUT" | "STDERR" | "SYSTEM";

/** The run took a status; a terminal one is its last event. */
export interface RunStatusFact {
  readonly type: "RUN_STATUS";
  readonly status: RunStatus;
  readonly error?: ExecutionError;
}

/** A step took a status. RUNNING is written before its executor is called, the outcome before anything follows from it. */
export interface StepStatusFact {
  readonly type: "STEP_STATUS";
  readonly stepId: string;
  readonly attempt: number;
  readonly status: StepStatus;
  /** Arguments as shown: secrets are `***`. With RUNNING, or with an outcome that came without it. */
  readonly input?: Json;
  readonly output?: Json;
  readonly error?: ExecutionError;
  readonly warnings?: readonly string[];
  readonly actionVersionId?: string;
  /** With RUNNING: how often and how the action wants to be tried. */
  readonly retry?: { readonly maxAttempts: number; readonly backoffMs: number };
  /** With RUNNING: `fail` where it is not to be run again after an interruption, `hear` where an agent goes on with it and is heard first. */
  readonly onInterrupt?: "fail" | "hear";
  /** With WAITING: when the next attempt begins, milliseconds since 1970. */
  readonly retryAt?: number;
  /** With WAITING of a delay: when it is over, milliseconds since 1970. */
  readonly until?: number;
  /** With WAITING of an approval: what was requested. */
  readonly approval?: RequestedApproval;
  /** With FAILED: trying again can't help (a violation, an unknown effect). */
  readonly isFinal?: true;
  /** The outcome of the run that this one reruns: the step is not run again. */
  readonly isTakenOver?: true;
  /** With an outcome in the sandbox: what it would have done outside, and did in isolation. */
  readonly deeds?: JsonObject;
}

/** A request for approval as the run knows it; people see the row of the same id. */
export interface RequestedApproval {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
  /** What was shown to the approvers and is bound by their decision, by step. */
  readonly bound: Readonly<Record<string, BoundStep>>;
}

/** An action or a live action that an approval lets happen. */
export interface BoundStep {
  /** Of an action: the exact version that was shown, `name@MAJOR.MINOR.PATCH`: no other runs. */
  readonly actionRef?: string;
  /** Of a live action: what it is done to, where that was known. */
  readonly target?: string;
  /** Parameters as they were rendered; those that could not be known yet are left out. */
  readonly parameters?: Readonly<Record<string, Json>>;
}

/** One line that a step wrote. */
export interface LogFact {
  readonly type: "LOG";
  readonly stepId: string;
  readonly attempt: number;
  readonly stream: LogStream;
  readonly text: string;
}

/**
 * Something that a person should know. Five codes steer the run: `cancel_requested`, `run_timed_out`, `tenant_disabled`,
 * `step_interrupted`, and `step_timed_out` for a parallel step.
 */
export interface NoticeFact {
  readonly type: "NOTICE";
  readonly stepId?: string;
  readonly code: string;
  readonly message: string;
}

export type Fact = RunStatusFact | StepStatusFact | LogFact | NoticeFact;

/** A fact with its place in the run: what is stored and streamed. `sequence` counts from 1 without gaps. */
export type RunEvent<F extends Fact = Fact> = F & {
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly runAttempt: number;
};

/** A row of `run_event` without its run: `body` holds what has no column. */
export interface EventRow {
  readonly sequence: number;
  readonly at: number;
  readonly runAttempt: number;
  readonly type: Fact["type"];
  readonly stepId: string | null;
  readonly attempt: number | null;
  readonly label: string;
  readonly body: JsonObject | null;
}

export function toRow(event: RunEvent): EventRow {
  const { sequence, at, runAttempt } = event;
  const place = { sequence, at, runAttempt };
  switch (event.type) {
    case "RUN_STATUS":
      return {
        ...place,
        type: event.type,
        stepId: null,
        attempt: null,
        label: event.status,
        body: event.error ? { error: { ...event.error } } : null,
      };
    case "STEP_STATUS": {
      const { type, stepId, attempt, status, sequence: _s, at: _a, runAttempt: _r, ...rest } = event;
      return { ...place, type, stepId, attempt, label: status, body: rest as unknown as JsonObject };
    }
    case "LOG":
      return {
        ...place,
        type: event.type,
        stepId: event.stepId,
        attempt: event.attempt,
        label: event.stream,
        body: { text: event.text },
      };
    case "NOTICE":
      return {
        ...place,
        type: event.type,
        stepId: event.stepId ?? null,
        attempt: null,
        label: event.code,
        body: { message: event.message },
      };
    default:
      return event satisfies never;
  }
}

/** The event of a row; the inverse of {@link toRow}. */
export function fromRow(row: EventRow): RunEvent {
  const { sequence, at, runAttempt } = row;
  const place = { sequence, at, runAttempt };
  const stepId = row.stepId ?? "";
  const attempt = row.attempt ?? 0;
  switch (row.type) {
    case "RUN_STATUS":
      return { ...place, type: row.type, status: row.label as RunStatus, ...(row.body as object | null) };
    case "STEP_STATUS":
      return {
        ...place,
        type: row.type,
        stepId,
        attempt,
        status: row.label as StepStatus,
        ...(row.body as object | null),
      };
    case "LOG":
      return {
        ...place,
        type: row.type,
        stepId,
        attempt,
        stream: row.label as LogStream,
        text: String(row.body?.["text"] ?? ""),
      };
    case "NOTICE":
      return {
        ...place,
        type: row.type,
        ...(row.stepId === null ? {} : { stepId }),
        code: row.label,
        message: String(row.body?.["message"] ?? ""),
      };
    default:
      return row.type satisfies never;
  }
}

const terminal: ReadonlySet<string> = new Set([
  "SUCCEEDED",
  "SIMULATED",
  "FAILED",
  "TIMED_OUT",
  "CANCELLED",
  "SKIPPED",
]);

/** True for a status that nothing follows, of a run or of a step's attempt. */
export function isTerminal(status: RunStatus | StepStatus): boolean {
  return terminal.has(status);
}
