import type { Hub } from "./hub.ts";
import type { Journal } from "./journal.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { RunInfo } from "./new-run.ts";
import type { StepWorkPorts } from "./step-work.ts";

/** What a run in memory needs of its node. */
export interface ResidentPorts extends Omit<StepWorkPorts, "run" | "held" | "onSaid"> {
  readonly journal: Pick<Journal, "append" | "room">;
  readonly hub: Pick<Hub, "publish">;
  readonly memory: MemoryBudget;
  /** The time for an approval is over: its row says what becomes of it, and the run hears it as a signal. */
  expire(approvalId: string): void;
  /** Something was triggered: durable now. */
  onTriggered?(): void;
  /** Forget the run: it has ended or left memory (`over`), may not be run here any more (`lost`), or can't go on as it is (`broken`). */
  onReleased(run: { readonly info: RunInfo }, reason: "over" | "lost" | "broken"): void;
}
