import { setTimeout as sleep } from "node:timers/promises";
import { scriptLimits } from "../core/script-limits.ts";
import { bounds } from "./bounds.ts";
import { deliverAnswer } from "./deliver-answer.ts";
import { createLogReport } from "./log-report.ts";
import { type EndReason, type Parts, performTask } from "./perform-task.ts";
import { createSlots } from "./slots.ts";
import type { Task } from "./task.ts";

/** Takes tasks, has them carried out, and tells the server how they ended. */
export interface TaskDesk {
  /** A task may be offered again and again: it is in hand once, and never run again when it was answered. */
  offer(task: Task): void;
  /** Delivers what an earlier life of the agent has not. */
  deliverLeftovers(): void;
  /** Takes nothing new. Scripts get the grace to end by themselves; then they are ended, and results get the time to be delivered. */
  stop(times: { readonly graceMs: number; readonly deliveryMs: number }): Promise<void>;
}

/** Task ids are names of files and directories here. */
const taskIdPattern = /^[0-9a-f-]{36}$/;

export function createTaskDesk(given: Omit<Parts, "slots">): TaskDesk {
  const parts: Parts = { ...given, slots: createSlots(bounds.tasksAtOnceMax) };
  const { records, say } = parts;
  /** What ends the script of each task that is in hand. */
  const inHand = new Map<string, AbortController>();
  const work = new Set<Promise<void>>();
  const telling = new AbortController();
  let isStopping = false;

  function begin(taskId: string, perform: (ending: AbortController) => Promise<void>): void {
    const ending = new AbortController();
    inHand.set(taskId, ending);
    const done = perform(ending)
      .catch((error: unknown) => {
        if (!telling.signal.aborted)
          say(`The task ${taskId} failed here: ${error instanceof Error ? error.stack : error}`);
      })
      .finally(() => {
        inHand.delete(taskId);
        work.delete(done);
      });
    work.add(done);
  }

  function deliver(taskId: string): void {
    begin(taskId, async () => {
      const { completion, lines } = await records.readAnswer(taskId);
      const report = createLogReport(taskId, { ...parts, signal: telling.signal }, lines);
      await deliverAnswer(taskId, completion, { ...parts, report, signal: telling.signal });
    });
  }

  /** The server has lost what it was told, as after the restoring of an old copy of its database. */
  function tellAnswered(taskId: string): void {
    begin(taskId, async () => {
      const message = "The agent has answered this task before, and does not run it again.";
      const completion = { error: { code: "already_answered", message } };
      const report = createLogReport(taskId, { ...parts, signal: telling.signal });
      await deliverAnswer(taskId, completion, { ...parts, report, signal: telling.signal });
    });
  }

  function offer(task: Task): void {
    const { taskId } = task;
    if (isStopping || inHand.has(taskId)) return;
    if (!taskIdPattern.test(taskId)) say("A task without a proper id is left alone.");
    else if (inHand.size >= bounds.tasksInHandMax) say(`The task ${taskId} is left for later: too many are in hand.`);
    else if (records.stageOf(taskId) === "answered") deliver(taskId);
    else if (records.stageOf(taskId) === "closed") tellAnswered(taskId);
    else begin(taskId, (ending) => performTask(parts, { task, ending, signal: telling.signal }));
  }

  async function stop({ graceMs, deliveryMs }: { graceMs: number; deliveryMs: number }): Promise<void> {
    isStopping = true;
    await settledWithin(work, graceMs);
    for (const ending of inHand.values()) ending.abort("stopping" satisfies EndReason);
    await settledWithin(work, deliveryMs + scriptLimits.scriptKillGraceMs);
    telling.abort(new Error("The agent stops."));
    await settledWithin(work, scriptLimits.scriptKillGraceMs + scriptLimits.scriptGoneMs);
  }

  return { offer, deliverLeftovers: () => records.at("answered").forEach(deliver), stop };
}

async function settledWithin(work: ReadonlySet<Promise<void>>, ms: number): Promise<void> {
  const given = new AbortController();
  const patience = sleep(ms, undefined, { signal: given.signal }).catch(() => {});
  await Promise.race([Promise.all(work), patience]);
  given.abort();
}
