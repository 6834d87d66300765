import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { bounds } from "./bounds.ts";
import { writeDurably } from "./durable-file.ts";
import type { Completion, LogLine } from "./task.ts";

/** What the server is still to be told of a task. */
export interface Answer {
  readonly completion: Completion;
  /** Log lines that it had not accepted when the script ended, numbered from `from`. */
  readonly lines: { readonly from: number; readonly lines: readonly LogLine[] };
}

/** How far a task has come, on disk: `begun` its script may have run, `answered` there is an answer to deliver, `closed` nothing is left to do. */
export type TaskStage = "begun" | "answered" | "closed";

type Row =
  | { readonly stage: "begun" }
  | { readonly stage: "answered"; readonly answer: Answer }
  | { readonly stage: "closed" };

/** One file per task. No arguments are in them; a result is, until it is delivered. */
export interface TaskRecords {
  /** Undefined for a task that was never begun here. */
  stageOf(taskId: string): TaskStage | undefined;
  /** The tasks at a stage. */
  at(stage: TaskStage): readonly string[];
  begin(taskId: string): Promise<void>;
  answer(taskId: string, answer: Answer): Promise<void>;
  /** @throws Error where there is no answer (any more), or it can't be read. */
  readAnswer(taskId: string): Promise<Answer>;
  close(taskId: string): Promise<void>;
}

const ending = ".json";

/** Reads what is there. Beyond `bounds.answeredTasksMax` the oldest without an answer to deliver are forgotten. */
export async function openTaskRecords(directory: string): Promise<TaskRecords> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const stages = await readStages(directory);
  const fileOf = (taskId: string): string => join(directory, `${taskId}${ending}`);

  async function write(taskId: string, row: Row): Promise<void> {
    await writeDurably(fileOf(taskId), JSON.stringify(row));
    // Set anew, so that the map's order is that of the last change.
    stages.delete(taskId);
    stages.set(taskId, row.stage);
    await forgetOldest();
  }

  async function forgetOldest(): Promise<void> {
    for (const [taskId, stage] of stages) {
      if (stages.size <= bounds.answeredTasksMax) return;
      if (stage === "answered") continue;
      stages.delete(taskId);
      await rm(fileOf(taskId), { force: true });
    }
  }

  await forgetOldest();
  return {
    stageOf: (taskId) => stages.get(taskId),
    at: (stage) => [...stages].filter(([, one]) => one === stage).map(([taskId]) => taskId),
    begin: (taskId) => write(taskId, { stage: "begun" }),
    answer: (taskId, answer) => write(taskId, { stage: "answered", answer }),
    async readAnswer(taskId) {
      const row: Row = JSON.parse(await readFile(fileOf(taskId), "utf8"));
      if (row.stage !== "answered") throw new Error(`The task ${taskId} has no answer.`);
      return row.answer;
    },
    close: (taskId) => write(taskId, { stage: "closed" }),
  };
}

/** The stage of every task, the one changed longest ago first. */
async function readStages(directory: string): Promise<Map<string, TaskStage>> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(ending));
  const found: { taskId: string; stage: TaskStage; at: number }[] = [];
  for (const name of names) {
    const file = join(directory, name);
    const { mtimeMs } = await stat(file);
    found.push({ taskId: name.slice(0, -ending.length), stage: stageIn(await readFile(file, "utf8")), at: mtimeMs });
  }
  return new Map(found.sort((a, b) => a.at - b.at).map(({ taskId, stage }) => [taskId, stage]));
}

/** A damaged one counts as begun: whatever answer was in it is lost. */
function stageIn(text: string): TaskStage {
  try {
    const { stage } = JSON.parse(text);
    return stage === "answered" || stage === "closed" ? stage : "begun";
  } catch {
    return "begun";
  }
}
