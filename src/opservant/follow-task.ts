import type { EntityManager } from "@mikro-orm/postgresql";
import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Attempt, ExecutionError, Outcome } from "../executors/executor.ts";
import { type AgentNews, Alertness } from "./agent-news.ts";
import { cancelTask, expireTask, type TaskRow } from "./end-task.ts";

interface FollowPorts {
  readonly em: () => EntityManager;
  readonly news: AgentNews;
}

export interface Following extends Pick<Attempt, "signal" | "lost" | "onLog" | "logRoom"> {
  /** The numbers of the first line that was not handed on yet, and of the first that is still kept. */
  readonly reading: { next: number; kept: number };
}

/**
 * Hands on what a task writes until it has ended, and ends it where it is to end: at its deadline, and once `signal` is aborted.
 * @returns Undefined where the run is not this node's any more; the task goes on.
 * @throws where the database is away.
 */
export async function followTask(
  ports: FollowPorts,
  following: Following,
  task: TaskRow,
): Promise<Outcome | undefined> {
  const { signal, lost } = following;
  const signals = lost ? [signal, lost] : [signal];
  const alertness = new Alertness(ports.news, [task.id], signals);
  try {
    for (;;) {
      alertness.clear();
      if (lost?.aborted) return undefined;
      const em = ports.em();
      if (signal.aborted) await cancelTask(em, task);
      const look = await lookAt(em, task);
      if (look.leftMs <= 0 && !look.isFinished) await expireTask(em, task);
      await handOn(em, task, { ...following, lineCount: look.lineCount });
      if (look.isFinished) return await outcomeOf(em, task);
      if (look.leftMs > 0) await alertness.wait(Math.min(look.leftMs, limits.agentTaskLookMs));
    }
  } finally {
    alertness.end();
  }
}

interface Look {
  readonly isFinished: boolean;
  /** Of its time, by the database's clock. */
  readonly leftMs: number;
  readonly lineCount: number;
}

async function lookAt(em: EntityManager, { id, tenantId }: TaskRow): Promise<Look> {
  const [row] = await em.execute<{ is_finished: boolean; left_ms: number; line_count: number }[]>(lookSql, [
    id,
    tenantId,
  ]);
  if (!row) throw new Error("A task that is followed is there.");
  return { isFinished: row.is_finished, leftMs: Number(row.left_ms), lineCount: row.line_count };
}

const lookSql = `
select finished_at is not null as is_finished, line_count, (extract(epoch from deadline_at - now()) * 1000)::float8 as left_ms
from agent_task where id = ? and tenant_id = ?`;

interface HandingOn extends Pick<Following, "onLog" | "logRoom" | "reading"> {
  readonly lineCount: number;
}

// What was handed on at an earlier look is in the run's journal by now, or about to be: the next owner of the run need not read it again.
async function handOn(
  em: EntityManager,
  { id, tenantId }: TaskRow,
  { onLog, logRoom, reading, lineCount }: HandingOn,
): Promise<void> {
  const last = Math.min(lineCount, limits.logLinesPerAttemptMax + 1);
  if (reading.kept < reading.next) await em.execute(forgetSql, [id, tenantId, reading.next]);
  reading.kept = reading.next;
  while (reading.next < last) {
    await logRoom?.();
    const values = [id, tenantId, reading.next, limits.agentLogLinesMax];
    const lines = await em.execute<LineRow[]>(linesSql, values);
    for (const { stream, text } of lines) onLog(stream, text);
    const end = lines.at(-1);
    // Where none are there, another owner of the run has handed them on.
    reading.next = end ? end.line + 1 : last;
  }
}

interface LineRow {
  readonly line: number;
  readonly stream: "STDOUT" | "STDERR" | "SYSTEM";
  readonly text: string;
}

const forgetSql = "delete from agent_task_line where task_id = ? and tenant_id = ? and line < ?";
const linesSql =
  "select line, stream, text from agent_task_line where task_id = ? and tenant_id = ? and line >= ? order by line limit ?";

interface EndedRow {
  readonly status: "COMPLETED" | "CANCELLED" | "EXPIRED";
  readonly exit_code: number | null;
  readonly result: Json;
  readonly error: ExecutionError | null;
  readonly is_cancelled: boolean;
}

async function outcomeOf(em: EntityManager, { id, tenantId }: TaskRow): Promise<Outcome> {
  const [row] = await em.execute<EndedRow[]>(endedSql, [id, tenantId]);
  if (!row) throw new Error("A task that is followed is there.");
  const { status, exit_code: exitCode, result, error, is_cancelled: isCancelled } = row;
  if (error === null) return status === "CANCELLED" ? { status } : { status: "SUCCEEDED", output: result };
  // A script may state these codes too; then it has an exit code.
  if (exitCode === null && error.code === "timed_out") return { status: "TIMED_OUT", error };
  // An agent that was not told to cancel has failed: it can't end a run as if somebody had wanted that.
  if (exitCode === null && error.code === "cancelled" && isCancelled) return { status: "CANCELLED" };
  return { status: "FAILED", error, ...(result === null ? {} : { output: result }) };
}

const endedSql =
  "select status, exit_code, result, error, cancel_requested_at is not null as is_cancelled from agent_task where id = ? and tenant_id = ?";
