import type { EntityManager } from "@mikro-orm/postgresql";
import type { AgentTaskKey } from "../executors/executor.ts";

/** The task of this try, whoever asked for it; undefined where nobody has. */
export async function findTask(em: EntityManager, key: AgentTaskKey): Promise<{ readonly id: string } | undefined> {
  const { tenantId, runId, stepId, runAttempt, attempt } = key;
  const [row] = await em.execute<{ id: string }[]>(findSql, [tenantId, runId, stepId, runAttempt, attempt]);
  return row;
}

const findSql =
  "select id from agent_task where tenant_id = ? and run_id = ? and step_id = ? and run_attempt = ? and attempt = ?";
