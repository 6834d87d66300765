import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Sealer } from "../secrets/seal.ts";
import { AgentTask } from "./entities.ts";
import { openTaskArguments, type TaskArguments } from "./task-arguments.ts";

/** A task as its agent gets it. */
export interface OfferedTask {
  readonly task: AgentTask;
  readonly given: TaskArguments;
  /** What is left of its time, by the database's clock: at least 1. */
  readonly timeoutSeconds: number;
}

interface OfferPorts {
  readonly em: EntityManager;
  readonly sealer: Sealer;
  readonly log: Log;
}

/** One connection of one agent. */
export interface AgentConnection {
  readonly tenantId: string;
  readonly agentId: string;
  readonly connection: string;
}

/**
 * Offers the agent what it has room for: tasks that nobody was offered yet, and those whose offer or lease is over. What may not be begun
 * twice is offered until it is acknowledged, and never again.
 */
export async function offerTasks(ports: OfferPorts, to: AgentConnection): Promise<readonly OfferedTask[]> {
  const { em, sealer, log } = ports;
  const { agentId, tenantId, connection } = to;
  const values = [limits.agentLeaseMs, agentId, tenantId, limits.agentTasksAtOnceMax, agentId, tenantId];
  const rows = await em.execute<Record<string, unknown>[]>(offerSql, [...values, agentId, tenantId, connection]);
  const offered: OfferedTask[] = [];
  for (const { left_ms: leftMs, ...columns } of rows) {
    // Into a unit of work of its own: an identity map would keep what it read before.
    const task = em.fork({ clear: true }).map(AgentTask, columns as never);
    try {
      const given = await openTaskArguments(sealer, task, task.sealedParameters ?? "");
      offered.push({ task, given, timeoutSeconds: Math.max(1, Math.ceil(Number(leftMs) / 1_000)) });
    } catch (error) {
      // Offered again it would be unreadable again; its time ends it.
      log.error({ taskId: task.id, message: (error as Error).message }, "agent_task.unreadable");
    }
  }
  return offered;
}

/** Of an agent's row: of a disabled tenant's, nobody is offered anything, and no connection stays. */
export const isTenantEnabled = "not exists (select from tenant where id = tenant_id and disabled_at is not null)";

// `room` counts what the agent has or was offered a moment ago; only the agent's latest connection is offered anything.
const offerSql = `
update agent_task set lease_until = now() + ?::float8 * interval '1 millisecond', restart_line = line_count
where id in (
  select id from agent_task
  where agent_id = ? and tenant_id = ? and finished_at is null and deadline_at > now() and cancel_requested_at is null
    and (lease_until is null or lease_until <= now()) and (status = 'OFFERED' or is_repeatable)
  order by id
  limit greatest(0, ?::int - (
    select count(*)::int from agent_task where agent_id = ? and tenant_id = ? and finished_at is null and lease_until > now()
  ))
  for update skip locked
) and exists (select from agent where id = ? and tenant_id = ? and connection = ? and revoked_at is null and ${isTenantEnabled})
returning agent_task.*, (extract(epoch from deadline_at - now()) * 1000)::float8 as left_ms`;
