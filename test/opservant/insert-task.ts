import { newId } from "../../src/core/ids.ts";
import type { Orm } from "../../src/database/orm.ts";
import { AgentTask } from "../../src/opservant/entities.ts";

/** A task as if a run had asked for it, straight in the table; nobody waits for it. */
export async function insertTask(
  orm: Orm,
  fields: Pick<AgentTask, "tenantId" | "agentId"> & Partial<AgentTask>,
): Promise<AgentTask> {
  const em = orm.em.fork();
  const task = em.create(AgentTask, {
    ...{ runId: newId(), stepId: "run", runAttempt: 1, attempt: 1, idempotencyKey: "key", status: "OFFERED" },
    ...{ actionName: "simple", actionVersion: "1.0.0", actionVersionId: newId(), entry: "work.sh" },
    ...{ timeoutMs: 60_000, isRepeatable: true, deadlineAt: new Date(Date.now() + 60_000) },
    ...fields,
  });
  await em.persist(task).flush();
  return task;
}
