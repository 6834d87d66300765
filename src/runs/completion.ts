import type { Json } from "../core/json.ts";
import type { NoticeFact } from "./events.ts";
import type { NewTriggerEvent } from "./journal-entry.ts";
import type { RunInfo } from "./new-run.ts";

/** The end of an action in a production run: its executor was called, and it is not tried again. */
export interface Completion {
  readonly run: RunInfo;
  readonly stepId: string;
  readonly attempt: number;
  readonly runAttempt: number;
  readonly status: "SUCCEEDED" | "FAILED" | "TIMED_OUT";
  readonly output?: Json;
  readonly action: { readonly id: string; readonly name: string; readonly version: string; readonly type: string };
}

/** What becomes durable together with the outcome. */
export interface CompletionNews {
  readonly events: readonly NewTriggerEvent[];
  /** What was held back, for whoever reads the run. */
  readonly notices: readonly NoticeFact[];
}

/** Says what a completion triggers. Without a promise where nothing can be triggered, which is asked for every action that ends. */
export type TellCompletion = (
  completion: Completion,
) => CompletionNews | undefined | Promise<CompletionNews | undefined>;
