import { isUuid } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { callingAgent } from "./agent-caller.ts";
import { AgentTask } from "./entities.ts";
import { noSuchTask, taskEnded } from "./own-task.ts";

export interface Renewal {
  /** The script is to be ended now, and the task answered. */
  readonly cancelled: boolean;
  /** How long this word holds. */
  readonly leaseSeconds: number;
}

/**
 * The agent's word that it has the task: the first is its acknowledgement, before which it begins nothing.
 * @throws NotFoundFailure; StateFailure `task_ended`.
 */
export async function renewAgentTask(ctx: OperationContext, taskId: string): Promise<Renewal> {
  const { tenantId, agentId } = callingAgent(ctx);
  if (!isUuid(taskId)) throw noSuchTask();
  const mine = [taskId, tenantId, agentId];
  const [renewed] = await ctx.em.execute<{ cancelled: boolean }[]>(renewSql, [limits.agentLeaseMs, ...mine]);
  if (!renewed) {
    throw (await ctx.em.count(AgentTask, { id: taskId, tenantId, agentId })) > 0 ? taskEnded() : noSuchTask();
  }
  await ctx.em.execute(seenSql, [agentId, tenantId]);
  return { cancelled: renewed.cancelled, leaseSeconds: limits.agentLeaseMs / 1_000 };
}

const renewSql = `
update agent_task set status = 'RUNNING', lease_until = now() + ?::float8 * interval '1 millisecond'
where id = ? and tenant_id = ? and agent_id = ? and finished_at is null
returning cancel_requested_at is not null as cancelled`;

// Many tasks are renewed at once; people need it to the second.
const seenSql = `
update agent set last_seen_at = now()
where id = ? and tenant_id = ? and (last_seen_at is null or last_seen_at < now() - interval '1 second')`;
