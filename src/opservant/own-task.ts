import type { EntityManager } from "@mikro-orm/postgresql";
import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { AgentTask } from "./entities.ts";

export interface TaskOfAgent {
  readonly tenantId: string;
  readonly agentId: string;
  readonly taskId: string;
}

/**
 * The agent's own task, locked until the transaction ends.
 * @throws NotFoundFailure for any other, another tenant's or another agent's too.
 */
export async function lockOwnTask(em: EntityManager, { tenantId, agentId, taskId }: TaskOfAgent): Promise<AgentTask> {
  const [row] = isUuid(taskId) ? await em.execute<Record<string, unknown>[]>(lockSql, [taskId, tenantId, agentId]) : [];
  if (!row) throw noSuchTask();
  return em.fork({ clear: true }).map(AgentTask, row as never);
}

const lockSql = "select * from agent_task where id = ? and tenant_id = ? and agent_id = ? for no key update";

export function noSuchTask(): NotFoundFailure {
  return new NotFoundFailure("There is no such task for this agent.");
}

/** It has an outcome: what the agent does for it now counts no more. */
export function taskEnded(): StateFailure {
  return new StateFailure("task_ended", "The task has ended: end what still runs of it, and say nothing more of it.");
}
