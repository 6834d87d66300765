import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";

export interface TaskRow {
  readonly id: string;
  readonly tenantId: string;
}

/**
 * Tells a task's agent to end it. A task that no agent has acknowledged ends at once: nothing was begun. One that is at work ends by its agent's
 * word, or without it when its lease is over or `limits.agentCancelMs` has passed. Called again and again until it has ended.
 */
export async function cancelTask(em: EntityManager, { id, tenantId }: TaskRow): Promise<void> {
  await em.execute(
    "update agent_task set cancel_requested_at = now() where id = ? and tenant_id = ? and cancel_requested_at is null and finished_at is null",
    [id, tenantId],
  );
  await em.execute(endCancelledSql, [id, tenantId, limits.agentCancelMs]);
}

// Its agent has room for another task.
const endCancelledSql = `
with done as (
  update agent_task set status = 'CANCELLED', finished_at = now(), sealed_parameters = null
  where id = ? and tenant_id = ? and finished_at is null and (
    status = 'OFFERED' or lease_until <= now() or cancel_requested_at < now() - ?::float8 * interval '1 millisecond'
  )
  returning agent_id
)
select pg_notify('riposte_agent', agent_id::text) from done`;

/** Ends a task whose time is over by the database's clock, if it has not ended. */
export async function expireTask(em: EntityManager, { id, tenantId }: TaskRow): Promise<void> {
  await em.execute(expiring("and id = ? and tenant_id = ?"), [0, id, tenantId]);
}

/**
 * Deletes the lines of tasks that ended a while ago: whoever followed them has them in a run's journal by now. Not with the end itself, since the
 * follower's node may die before it has.
 */
export async function forgetLines(em: EntityManager): Promise<void> {
  await em.execute(forgetSql, [limits.agentSweepGraceMs]);
}

const forgetSql = `
delete from agent_task_line using agent_task
where id = task_id and finished_at < now() - ?::float8 * interval '1 millisecond'`;

/** Ends the tasks of all tenants whose time has long been over: their runs have ended otherwise, or are nobody's at present. */
export async function expireForgotten(em: EntityManager): Promise<void> {
  await em.execute(expiring(""), [limits.agentSweepGraceMs]);
}

// Who has its task and renews it has had its time. Of one that began and then fell silent nobody knows how far it came: that is said
// where it may not be begun again.
const expiring = (which: string) => `
with done as (
update agent_task set status = 'EXPIRED', finished_at = now(), sealed_parameters = null, error = case
  when status = 'RUNNING' and lease_until > now()
    or status = 'OFFERED' and lease_until is null and exists (select from agent where id = agent_id and connected_until > now())
    or status = 'OFFERED' and lease_until > now()
    then jsonb_build_object('code', 'timed_out', 'message', 'The agent did not end it within ' || timeout_ms || ' ms.')
  when status = 'RUNNING' and not is_repeatable
    then jsonb_build_object('code', 'effect_unknown', 'message',
      'The agent began it and was not heard of again; whether it took effect is not known. A person must look.')
  else jsonb_build_object('code', 'agent_unavailable', 'message', 'The agent was not connected within ' || timeout_ms || ' ms.')
  end
where finished_at is null and deadline_at <= now() - ?::float8 * interval '1 millisecond' ${which}
returning agent_id
)
select pg_notify('riposte_agent', agent_id::text) from done`;
