import type { ExecutionError } from "../core/attempt-refused.ts";
import type { Json } from "../core/json.ts";

/** A task as the server offers it. */
export interface Task {
  readonly taskId: string;
  readonly leaseSeconds: number;
  readonly runId: string;
  readonly stepId: string;
  readonly attempt: number;
  /** The same for every attempt of the step. */
  readonly idempotencyKey: string;
  readonly action: { readonly name: string; readonly version: string };
  /** The script, as a path in the package. */
  readonly entry: string;
  readonly files: readonly TaskFile[];
  /** Every argument, secrets included. */
  readonly parameters: Readonly<Record<string, Json>>;
  /** The declared parameters in their order: the positional arguments of a shell script. */
  readonly parameterNames: readonly string[];
  /** Which of them are secrets: never in argv. */
  readonly secretNames: readonly string[];
  readonly timeoutSeconds: number;
}

export interface TaskFile {
  readonly path: string;
  readonly content: string;
  readonly encoding: "UTF8" | "BASE64";
  readonly executable: boolean;
}

export interface LogLine {
  readonly stream: "STDOUT" | "STDERR" | "SYSTEM";
  readonly text: string;
}

/**
 * How a task ended, as it is told to the server. `exitCode` is there when the script ended by itself; where it is missing, the code of the
 * error says why: `timed_out`, `cancelled`, `output_too_large`, `target_missing`, `interpreter_missing`, `invalid_argument`,
 * `arguments_too_large`, `package_invalid`, `spawn_failed`, `agent_fault`, `result_refused`, `already_answered`, or `exit_code` for a script that a signal ended.
 */
export interface Completion {
  readonly exitCode?: number;
  readonly result?: Json;
  readonly error?: ExecutionError;
}
