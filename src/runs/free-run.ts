import { type Fact, toRow } from "./events.ts";
import { headChange } from "./head-change.ts";
import { birthBytes } from "./held-bytes.ts";
import type { JournalEntry } from "./journal-entry.ts";
import type { NewRun } from "./new-run.ts";
import { beginning } from "./walk.ts";

/** What writes down a run that begins wherever there is room first. @param at Milliseconds since 1970. */
export function freeEntry(birth: NewRun, at: number): Omit<JournalEntry, "settled"> {
  const facts: Fact[] = [{ type: "RUN_STATUS", status: "QUEUED" }, ...(birth.takenOver ?? [])];
  const events = facts.map((fact, index) => toRow({ ...fact, sequence: index + 1, at, runAttempt: 1 }));
  const { id: runId, tenantId } = birth;
  return { runId, tenantId, events, birth, head: headChange(beginning, at, birthBytes(birth)) };
}
