import type { EntityManager } from "@mikro-orm/postgresql";
import { BadInputError, StateFailure } from "../core/failures.ts";
import { storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { cutToBytes } from "../scripts/log-lines.ts";
import { createLineMask } from "../secrets/mask.ts";
import type { Sealer } from "../secrets/seal.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { callingAgent } from "./agent-caller.ts";
import type { AgentTask } from "./entities.ts";
import { lockOwnTask, taskEnded } from "./own-task.ts";
import { openTaskArguments } from "./task-arguments.ts";

export interface AgentLogReport {
  readonly taskId: string;
  /** The number of the first of these lines, counted from 0 since the script began. */
  readonly from: number;
  readonly lines: readonly { readonly stream: "STDOUT" | "STDERR" | "SYSTEM"; readonly text: string }[];
}

/**
 * Takes log lines of a script, masked, each once: those that were taken already are passed over.
 * @throws NotFoundFailure; StateFailure `task_ended`, `lines_missing`; BadInputError for too many lines at once.
 */
export async function reportAgentLog(ctx: OperationContext, sealer: Sealer, report: AgentLogReport): Promise<void> {
  const { from, lines } = report;
  const agent = callingAgent(ctx);
  if (lines.length > limits.agentLogLinesMax || from < 0) {
    throw new BadInputError(`A report has at most ${limits.agentLogLinesMax} lines, numbered from 0.`);
  }
  await ctx.em.transactional(async (em) => {
    const task = await lockOwnTask(em, { ...agent, taskId: report.taskId });
    if (task.finishedAt || task.sealedParameters == null) throw taskEnded();
    const offset = offsetOf(task, from);
    const first = offset + from;
    if (first > task.lineCount) {
      const message = `Lines before ${from} are missing: send from ${task.lineCount - offset} on.`;
      throw new StateFailure("lines_missing", message);
    }
    const news = lines.slice(task.lineCount - first);
    if (news.length === 0) return;
    const { secrets } = await openTaskArguments(sealer, task, task.sealedParameters);
    const mask = createLineMask(secrets);
    // Masked before it is cut, since what is cut off could be half a secret.
    const texts = news.map(({ text }) => cutToBytes(storableText(mask.text(text)), limits.logLineBytesMax));
    const kept = news.map(({ stream }, index) => ({ line: task.lineCount + index, stream, text: texts[index] ?? "" }));
    // One more than is shown: by it the run notices that there were too many.
    await write(em, task, {
      offset,
      kept: kept.filter(({ line }) => line <= limits.logLinesPerAttemptMax),
      count: news.length,
    });
  });
}

/**
 * Where the script's line 0 stands among the task's. An agent that begins the script again counts from 0 again, and what the first try wrote is
 * not written over.
 */
function offsetOf({ lineOffset, restartLine }: AgentTask, from: number): number {
  return from === 0 ? Math.max(lineOffset, restartLine) : lineOffset;
}

interface Written {
  readonly offset: number;
  readonly kept: readonly { readonly line: number; readonly stream: string; readonly text: string }[];
  readonly count: number;
}

async function write(em: EntityManager, { id, tenantId }: AgentTask, { offset, kept, count }: Written): Promise<void> {
  await em.execute(insertSql, [id, tenantId, JSON.stringify(kept)]);
  await em.execute(countSql, [count, offset, id, tenantId]);
  await em.execute("select pg_notify('riposte_agent', ?)", [id]);
}

const insertSql = `
insert into agent_task_line (task_id, line, tenant_id, stream, text)
select ?::uuid, line, ?::uuid, stream, text from jsonb_to_recordset(?::jsonb) as given(line int, stream text, text text)`;

const countSql = "update agent_task set line_count = line_count + ?, line_offset = ? where id = ? and tenant_id = ?";
