import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Agent } from "./entities.ts";

/**
 * Ends an agent for good: its token is no longer valid, its connection closes within seconds, and its open tasks have ended as
 * `agent_unavailable`, those too that it was at work on. Again changes nothing.
 * @throws NotFoundFailure when the tenant has no such agent.
 */
export async function revokeAgent(ctx: OperationContext, agentId: string): Promise<Agent> {
  const mine = { id: agentId, tenantId: ctx.tenantId };
  const notFound = () => new NotFoundFailure("There is no such agent.");
  if (!isUuid(agentId)) throw notFound();
  return ctx.em.transactional(async (em) => {
    const revoked = await em.execute<{ name: string }[]>(revokeSql, [agentId, ctx.tenantId]);
    const agent = await em.findOneOrFail(Agent, mine, { refresh: true, failHandler: notFound });
    if (revoked.length === 0) return agent;
    const ended = await em.execute<{ id: string }[]>(endTasksSql, [agentId, ctx.tenantId]);
    const told = [agentId, ...ended.map(({ id }) => id)].join(" ");
    await em.execute("select pg_notify('riposte_agent', id) from string_to_table(?, ' ') as id", [told]);
    const detail = { name: agent.name, endedTasks: ended.length };
    await recordAudit(em, ctx, { operation: "revokeAgent", subject: `agent:${agentId}`, detail });
    return agent;
  });
}

const revokeSql = `update agent set revoked_at = now(), connection = null, connected_until = null
where id = ? and tenant_id = ? and revoked_at is null returning name`;

const endTasksSql = `update agent_task set status = 'CANCELLED', finished_at = now(), sealed_parameters = null,
  error = jsonb_build_object('code', 'agent_unavailable', 'message', 'The agent was revoked'
    || case status when 'RUNNING' then ' while it was at work; what it had done by then stays done.' else ' before it began.' end)
where agent_id = ? and tenant_id = ? and finished_at is null returning id`;
