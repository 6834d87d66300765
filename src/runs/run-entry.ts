import type { RunEvent } from "./events.ts";
import type { NewApproval, NewTriggerEvent, WriteResult } from "./journal-entry.ts";

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
