import type { EventRow } from "./events.ts";
import type { NewRun } from "./new-run.ts";

/** What changes in a run's row; written at its start, when it parks and when it ends. Instants in milliseconds since 1970. */
export interface HeadChange {
  readonly status: string;
  /** Gives the run up: it has ended, or sleeps until `wake`. */
  readonly is_released: boolean;
  readonly wake: number | null;
  readonly started: number | null;
  readonly finished: number | null;
  readonly attempt: number;
  readonly failed: number;
  readonly simulated: number;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

/**
 * `written`: it is durable. `conflict`: the birth's idempotency key was taken, nothing of it was written. `lost`: this node may not
 * write any more. `refused`: the database would not take this entry, which is a bug; nothing of it was written.
 */
export type WriteResult = "written" | "conflict" | "lost" | "refused";

/** What one run hands over at once. All of it becomes durable together, after everything handed over before. */
export interface JournalEntry {
  readonly runId: string;
  readonly tenantId: string;
  /** At least one. */
  readonly events: readonly EventRow[];
  /** The run itself, to be inserted; `head` is then part of the row. Nothing else of the run may be handed over before this is settled. */
  readonly birth?: NewRun;
  readonly head?: HeadChange;
  /** Signals that these events answer. */
  readonly signals?: readonly string[];
  settled(result: WriteResult): void;
}
