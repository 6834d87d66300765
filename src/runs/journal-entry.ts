import type { Approver } from "../approvals/approver.ts";
import type { Json } from "../core/json.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import type { Chain } from "./chain.ts";
import type { EventRow } from "./events.ts";
import type { NewRun } from "./new-run.ts";

/** A request for approval that a step of the run makes. Instants in milliseconds since 1970. */
export interface NewApproval {
  readonly id: string;
  readonly stepId: string;
  readonly message: string | null;
  readonly approvers: readonly Approver[];
  readonly requesterId: string | null;
  readonly expiresAt: number | null;
  readonly effect: Json;
}

/** An event that the completion of an action in the run is for others: a row of `trigger_event`. Instants in milliseconds since 1970. */
export interface NewTriggerEvent {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly at: number;
  readonly data: Json;
  readonly dataHash: string;
  readonly by: Actor;
  readonly runId: string;
  readonly stepId: string;
  readonly chain: Chain;
}

/** What changes in a run's row; written at its start, when it parks and when it ends. Instants in milliseconds since 1970. */
export interface HeadChange {
  readonly status: string;
  /** Gives the run up: it has ended, or sleeps until `wake`. */
  readonly is_released: boolean;
  readonly wake: number | null;
  /** About the bytes that the run takes in memory; null of one that has ended. */
  readonly held: number | null;
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
  readonly birth?: NewRun | undefined;
  readonly head?: HeadChange | undefined;
  /** Signals that these events answer. */
  readonly signals?: readonly string[] | undefined;
  /** Requests for approval that these events make. */
  readonly approvals?: readonly NewApproval[] | undefined;
  /** Requests, by id, that nobody is to decide any more, where nobody has. */
  readonly closedApprovals?: readonly string[] | undefined;
  /** What these events trigger. */
  readonly triggered?: readonly NewTriggerEvent[] | undefined;
  settled(result: WriteResult): void;
}
