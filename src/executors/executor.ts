import type { ExecutionError } from "../core/attempt-refused.ts";
import type { Json } from "../core/json.ts";
import type { ScriptCall } from "../scripts/script-call.ts";

export type { ExecutionError } from "../core/attempt-refused.ts";
export type { PackageFile } from "../scripts/script-call.ts";

/** A local script to run. */
export interface LocalCall extends ScriptCall {
  readonly type: "local";
}

/** One HTTP request, complete but for the headers that every attempt gets (Idempotency-Key, User-Agent). */
export interface RemoteCall {
  readonly type: "remote";
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute http or https URL, templates already rendered. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in the query (GET, DELETE). */
  readonly query?: Readonly<Record<string, Json>>;
  /** Sent as JSON (POST, PUT, PATCH). */
  readonly body?: Json;
}

/** A script for an on-premises agent, which runs it as a local one is run. */
export interface OpservantCall {
  readonly type: "opservant";
  /** As the action's author wrote it. */
  readonly agentId: string;
  /** Path of the script within the package. */
  readonly entry: string;
  /** Every argument, secrets included, as the script reads them from stdin. */
  readonly arguments: Readonly<Record<string, Json>>;
  /** Names of the declared parameters in their order. */
  readonly parameterNames: readonly string[];
  readonly secretNames: ReadonlySet<string>;
  readonly action: { readonly name: string; readonly version: string; readonly versionId: string };
  readonly task: AgentTaskKey;
  /** Whether it may be begun again where nobody knows what became of the first time. */
  readonly isRepeatable: boolean;
}

/** One try of a step. Asked for again after a crash it is the same task, and the agent is not asked twice. */
export interface AgentTaskKey {
  readonly tenantId: string;
  readonly runId: string;
  readonly stepId: string;
  readonly runAttempt: number;
  readonly attempt: number;
}

/** What is asked of an executor: one attempt of one step. */
export interface Attempt<Call = LocalCall | RemoteCall | OpservantCall> {
  readonly call: Call;
  /** The same for every attempt of the step. */
  readonly idempotencyKey: string;
  /** Bound of this attempt, milliseconds. */
  readonly timeoutMs: number;
  /** Aborted when the run is cancelled or this node may no longer act for it: end what was begun, then answer CANCELLED. */
  readonly signal: AbortSignal;
  /** Aborted, before `signal` is, where the run is not this node's any more: what goes on elsewhere is left to the next owner. */
  readonly lost?: AbortSignal;
  /**
   * Plain values that must not leave: everything the executor reports (lines, output, error) is masked of them, in plain, base64,
   * URL-encoded and JSON-escaped form, before it is handed on.
   */
  readonly secrets: readonly string[];
  /** Run it in isolation, without network, and tell which commands it executed; where the host can't isolate, answer FAILED `sandbox_unavailable`. */
  readonly sandbox?: true;
  /** Called for each line as it comes, in order, already masked. */
  onLog(stream: "STDOUT" | "STDERR" | "SYSTEM", text: string): void;
  /**
   * Undefined while further lines find room; else resolves once they do. Whoever can leave lines where they come from waits for it: they come
   * faster than they are written down. What is handed over all the same is written all the same.
   */
  readonly logRoom?: (() => Promise<void> | undefined) | undefined;
}

/** How an attempt ended. An executor never throws for what a script or a server does: it answers FAILED. */
export type Outcome = Ending & {
  /** Of an attempt in the sandbox: what it executed, masked, in order. */
  readonly commands?: readonly ExecutedCommand[];
};

/** One command that ran. `exitCode` is null when a signal ended it. */
export interface ExecutedCommand {
  readonly command: string;
  readonly exitCode: number | null;
}

type Ending =
  | { readonly status: "SUCCEEDED"; readonly output: Json }
  | { readonly status: "FAILED"; readonly error: ExecutionError; readonly output?: Json }
  | { readonly status: "TIMED_OUT"; readonly error: ExecutionError }
  | { readonly status: "CANCELLED" };

/** Runs one attempt and answers its outcome; resolves only when nothing of it is under way any more. */
export type Execute<Call> = (attempt: Attempt<Call>) => Promise<Outcome>;
