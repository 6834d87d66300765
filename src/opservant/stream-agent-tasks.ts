import { randomUUID } from "node:crypto";
import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Sealer } from "../secrets/seal.ts";
import { type AgentNews, Alertness } from "./agent-news.ts";
import { type AgentConnection, isTenantEnabled, type OfferedTask, offerTasks } from "./offer-tasks.ts";

export interface AgentStreamPorts {
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly news: AgentNews;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * The tasks of one agent as they come, each at least once until it is acknowledged. While it is open the agent counts as connected. It ends
 * when the agent is revoked or its tenant disabled, and when the same agent connects again: with two that go by one token, only the last is told anything.
 */
export async function* streamAgentTasks(
  ports: AgentStreamPorts,
  agent: { readonly tenantId: string; readonly agentId: string },
): AsyncGenerator<OfferedTask> {
  const { em, news, log, signal } = ports;
  const to: AgentConnection = { ...agent, connection: randomUUID() };
  const alertness = new Alertness(news, [agent.agentId], [signal]);
  try {
    let isMine = await connect(em(), to);
    if (isMine) log.info({ agentId: agent.agentId }, "agent.connected");
    while (isMine && !signal.aborted) {
      alertness.clear();
      for (const offered of await offerTasks({ ...ports, em: em() }, to)) {
        yield offered;
        if (signal.aborted) return;
      }
      await alertness.wait(limits.agentLookMs);
      isMine = !signal.aborted && (await stay(em(), to));
    }
  } finally {
    alertness.end();
    log.info({ agentId: agent.agentId }, "agent.disconnected");
    await leave(em(), to).catch(() => undefined);
  }
}

async function connect(em: EntityManager, { agentId, tenantId, connection }: AgentConnection): Promise<boolean> {
  const rows = await em.execute<unknown[]>(connectSql, [
    connection,
    limits.agentConnectedMs,
    agentId,
    tenantId,
    agentId,
  ]);
  return rows.length > 0;
}

// Tells an older connection that it is not the latest any more.
const connectSql = `
with mine as (
  update agent set connection = ?, last_seen_at = now(), connected_until = now() + ?::float8 * interval '1 millisecond'
  where id = ? and tenant_id = ? and revoked_at is null and ${isTenantEnabled}
  returning id
)
select id, pg_notify('riposte_agent', ?) from mine`;

async function stay(em: EntityManager, { agentId, tenantId, connection }: AgentConnection): Promise<boolean> {
  const rows = await em.execute<unknown[]>(staySql, [limits.agentConnectedMs, agentId, tenantId, connection]);
  return rows.length > 0;
}

const staySql = `
update agent set last_seen_at = now(), connected_until = now() + ?::float8 * interval '1 millisecond'
where id = ? and tenant_id = ? and connection = ? and revoked_at is null and ${isTenantEnabled}
returning id`;

async function leave(em: EntityManager, { agentId, tenantId, connection }: AgentConnection): Promise<void> {
  await em.execute(
    "update agent set connection = null, connected_until = null where id = ? and tenant_id = ? and connection = ?",
    [agentId, tenantId, connection],
  );
}
