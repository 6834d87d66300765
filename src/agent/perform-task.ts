import { setTimeout as sleep } from "node:timers/promises";
import type { Say } from "./agent-log.ts";
import { bounds } from "./bounds.ts";
import { deliverAnswer } from "./deliver-answer.ts";
import { RequestRefused } from "./link.ts";
import { createLogReport } from "./log-report.ts";
import type { TaskTalk } from "./protocol.ts";
import { type Host, runTask } from "./run-task.ts";
import type { Slots } from "./slots.ts";
import type { Completion, Task } from "./task.ts";
import type { TaskRecords } from "./task-records.ts";

/** What tasks are performed with. */
export interface Parts {
  readonly talk: TaskTalk;
  readonly records: TaskRecords;
  readonly host: Host;
  readonly say: Say;
  readonly slots: Slots;
}

/** What ends the script of a task before its time. `over`: the server does not want its answer any more. */
export type EndReason = "cancelled" | "stopping" | "over";

/** One task in hand. */
export interface InHand {
  readonly task: Task;
  /** Ends the script; the reason is an {@link EndReason}. */
  readonly ending: AbortController;
  /** Aborted when the agent gives up telling the server anything. */
  readonly signal: AbortSignal;
}

/**
 * Acknowledges a task, runs its script, and sees to it that the server learns how it ended. A script that is ended because the agent stops is not
 * answered: the server notices by the lease, and knows whether it may be run again.
 * @throws the signal's reason
 */
export async function performTask(parts: Parts, inHand: InHand): Promise<void> {
  const { talk, records, say } = parts;
  const { task, ending, signal } = inHand;
  const { taskId } = task;
  const first = await talk.renew(taskId, signal);
  if (!first.isDone) {
    say(`The task ${taskId} is not begun: ${first.message}`);
    return;
  }
  if (first.payload.cancelled) ending.abort("cancelled" satisfies EndReason);
  const lease = new AbortController();
  const kept = keepLease(parts, inHand, { leaseSeconds: first.payload.leaseSeconds, signal: lease.signal });
  const report = createLogReport(taskId, { talk, say, signal });
  try {
    const completion = (await carryOut(parts, inHand, report.add)) ?? completionBy(ending.signal.reason);
    if (completion === "closed") return await records.close(taskId);
    if (completion === "open") return;
    await records.answer(taskId, { completion, lines: report.unsent() }).catch((error: unknown) => {
      say(`The answer of the task ${taskId} is not on disk, and is lost if the agent ends now: ${error}`);
    });
    await deliverAnswer(taskId, completion, { talk, records, say, report, signal });
  } finally {
    lease.abort();
    await kept;
  }
}

type OnLine = Parameters<typeof runTask>[1]["onLine"];

/** @returns Undefined where the script was ended, or not begun, by `ending`. */
async function carryOut(
  { records, host, say, slots }: Parts,
  { task, ending }: InHand,
  onLine: OnLine,
): Promise<Completion | undefined> {
  const { taskId, action, runId, stepId, attempt } = task;
  const release = await slots.take(ending.signal).catch(() => undefined);
  if (!release) return undefined;
  try {
    const again = records.stageOf(taskId) === "begun" ? " again: it was begun before the agent was started" : "";
    say(
      `Runs ${action.name}@${action.version}${again} (task ${taskId}, run ${runId}, step ${stepId}, attempt ${attempt}).`,
    );
    await records.begin(taskId);
    return await runTask(task, { host, signal: ending.signal, onLine });
  } catch (error) {
    say(
      `The task ${taskId} could not be carried out: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
    );
    return { error: { code: "agent_fault", message: "The agent could not run the script; see its log." } };
  } finally {
    release();
  }
}

/** What is told of a task that was ended: `closed` and `open` are nothing, for good and for now. */
function completionBy(reason: EndReason): Completion | "closed" | "open" {
  switch (reason) {
    case "cancelled":
      return { error: { code: "cancelled", message: "The script was cancelled." } };
    case "over":
      return "closed";
    case "stopping":
      return "open";
    default:
      return reason satisfies never;
  }
}

/** Renews until the signal is aborted, and ends the script when the server says so. */
async function keepLease(
  { talk, say }: Parts,
  { task: { taskId }, ending }: InHand,
  { leaseSeconds, signal }: { readonly leaseSeconds: number; readonly signal: AbortSignal },
): Promise<void> {
  let waitMs = (leaseSeconds * 1_000) / bounds.renewalsPerLease;
  const end = (reason: EndReason, text: string): void => {
    if (!ending.signal.aborted) say(`The task ${taskId} is ended: ${text}`);
    ending.abort(reason);
  };
  try {
    for (;;) {
      await sleep(waitMs, undefined, { signal });
      const answer = await talk.renew(taskId, signal);
      if (!answer.isDone) return end("over", answer.message);
      if (answer.payload.cancelled) end("cancelled", "it was cancelled.");
      waitMs = (answer.payload.leaseSeconds * 1_000) / bounds.renewalsPerLease;
    }
  } catch (error) {
    if (error instanceof RequestRefused) end("over", error.message);
  }
}
