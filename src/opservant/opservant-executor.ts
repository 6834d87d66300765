import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { AgentTaskKey, Attempt, Execute, OpservantCall, Outcome } from "../executors/executor.ts";
import type { Sealer } from "../secrets/seal.ts";
import type { AgentNews } from "./agent-news.ts";
import { findTask } from "./find-task.ts";
import { followTask } from "./follow-task.ts";
import { requestTask } from "./request-task.ts";

interface OpservantPorts {
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly sealer: Sealer;
  readonly news: AgentNews;
  readonly log: Log;
}

/** How a task that was asked for before ends; undefined where there is none. Never rejects. */
type HearTask = (
  key: AgentTaskKey,
  conversation: Pick<Attempt, "signal" | "lost" | "onLog" | "logRoom">,
) => Promise<Outcome | undefined>;

export interface OpservantExecutor {
  readonly execute: Execute<OpservantCall>;
  readonly hear: HearTask;
}

/**
 * The executor of actions on agents. An attempt is a row, which arbitrates: the agent's answer, the end of its time, a cancel and a revocation
 * may come at once and from different nodes, and one of them ends it. An attempt that is asked for again, after a crash, goes on with the row
 * that is there. Codes of its failures besides what the script states: `agent_unavailable`, `agent_busy`, `effect_unknown`, `output_too_large`.
 */
export function createOpservantExecutor(ports: OpservantPorts): OpservantExecutor {
  return {
    async execute(attempt) {
      const requested = await persistently(ports, attempt, () => requestTask({ ...ports, em: ports.em() }, attempt));
      if (requested === undefined) return { status: "CANCELLED" };
      if ("error" in requested) return { status: "FAILED", error: requested.error };
      const { tenantId } = attempt.call.task;
      return followed(ports, attempt, { id: requested.id, tenantId });
    },
    async hear(key, conversation) {
      try {
        return await heard(ports, key, conversation);
      } catch (error) {
        ports.log.error({ runId: key.runId, step: key.stepId, message: (error as Error).message }, "agent_task.broke");
        const message = "What the agent answered could not be heard; the server's log says why.";
        return { status: "FAILED", error: { code: "internal_error", message } };
      }
    },
  };
}

async function heard(
  ports: OpservantPorts,
  key: AgentTaskKey,
  conversation: Parameters<HearTask>[1],
): Promise<Outcome | undefined> {
  const found = await persistently(ports, conversation, () => findTask(ports.em(), key));
  if (conversation.lost?.aborted) return { status: "CANCELLED" };
  return found && followed(ports, conversation, { id: found.id, tenantId: key.tenantId });
}

async function followed(
  ports: OpservantPorts,
  conversation: Pick<Attempt, "signal" | "lost" | "onLog" | "logRoom">,
  task: { readonly id: string; readonly tenantId: string },
): Promise<Outcome> {
  const reading = { next: 0, kept: 0 };
  const follow = () => followTask(ports, { ...conversation, reading }, task);
  return (await persistently(ports, conversation, follow)) ?? { status: "CANCELLED" };
}

/** A database that is away is not the step's fault: it waits, as long as the run is this node's. Undefined where it is not. */
async function persistently<T>(
  { log }: OpservantPorts,
  { lost }: Pick<Attempt, "lost">,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  while (!lost?.aborted) {
    try {
      return await ask();
    } catch (error) {
      if (isBug(error)) throw error;
      log.warn({ message: (error as Error).message }, "agent_task.unanswered");
      await new Promise((resolve) => setTimeout(resolve, limits.prepareRetryMs));
    }
  }
  return undefined;
}

/** It would be the same the next time. */
function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
