import { type RunEvent, toRow } from "./events.ts";
import type { JournalEntry, NewApproval, NewTriggerEvent, WriteResult } from "./journal-entry.ts";
import type { RunInfo } from "./new-run.ts";

/** What happens to a run at once, while it is gathered: it goes to the journal together. */
export interface Entry {
  readonly events: RunEvent[];
  readonly effects: (() => void)[];
  approvals: NewApproval[] | undefined;
  closedApprovals: string[] | undefined;
  readonly triggered: readonly NewTriggerEvent[] | undefined;
  readonly signals: readonly string[] | undefined;
  readonly onSettled: ((result: WriteResult) => void) | undefined;
}

/** What comes with the facts that are handed in. */
export type Accompaniment = Partial<Pick<Entry, "signals" | "onSettled" | "triggered">>;
export const nothingElse: Accompaniment = {};

/** What the journal is handed of it. */
export function writable(
  { id: runId, tenantId }: Pick<RunInfo, "id" | "tenantId">,
  { events, triggered, signals, approvals, closedApprovals }: Entry,
): Omit<JournalEntry, "birth" | "head" | "settled"> {
  return { runId, tenantId, events: events.map(toRow), triggered, signals, approvals, closedApprovals };
}
