import { limits } from "../core/limits.ts";

/**
 * Takes free runs that are due, the longest waiting first: as many as hold so much together, or one that holds more. None passes one that there is
 * no room for, unless it is their turn to. Of a run that an older version of this server wrote, nobody knows what it holds: outputs as large as may be.
 * $1 node, $2 epoch, $3 at most so many, $4 bytes together, $5 bytes of one, $6 whether what holds more is passed.
 */
export const claimSql = `
with fence as materialized (
  select id from node where id = $1 and epoch = $2 and left_at is null for key share
), due as materialized (
  select id, wake_at, coalesce(held_bytes, ${limits.runOutputBytesMax}) as held from run
  where wake_at <= now() and (not $6::boolean or coalesce(held_bytes, ${limits.runOutputBytesMax}) <= $5::float8)
  order by wake_at limit $3 for update skip locked
), free as (
  select id from (select id, held, sum(held) over (order by wake_at, id) as together from due) as counted
  where together <= $4::float8 or (together = held and held <= $5::float8)
)
update run set owner_id = fence.id, wake_at = null from free, fence where run.id = free.id
returning run.id`;

/** Takes one free run that is to end, whatever it holds. $1 node, $2 epoch. */
export const claimCancelledSql = `
with fence as materialized (
  select id from node where id = $1 and epoch = $2 and left_at is null for key share
), free as (
  select id from run where wake_at <= now() and id in (select run_id from run_signal where type = 'CANCEL')
  order by wake_at limit 1 for update skip locked
)
update run set owner_id = fence.id, wake_at = null from free, fence where run.id = free.id
returning run.id`;

/** What is needed to go on with runs. $1 their ids. */
export const loadRunsSql = `
select run.id, run.tenant_id as "tenantId", run.kind, run.playbook_version_id as "playbookVersionId", run.action_id as "actionId",
  run.action_version_id as "actionVersionId", action.name as "actionName", action_version.version as "actionVersion",
  run.context, run.parameters, run.sealed_secrets as "sealedSecrets", run.created_at as "createdAt", run.playbook_id as "playbookId",
  run.started_by_kind as "byKind", run.started_by_name as "byName", run.started_by_id as "byId", run.dry_run as "dryRun", run.sandbox, run.chain,
  trigger_event.type as "eventType"
from run left join action_version on action_version.id = run.action_version_id left join action on action.id = action_version.action_id
  left join trigger_event on trigger_event.id = run.event_id
where run.id = any($1::uuid[])`;

/** Their events without the log lines, and the sequence of the last one of all. $1 ids of runs. */
export const loadEventsSql = `
select run_id as "runId", sequence, extract(epoch from at) * 1000 as at, run_attempt as "runAttempt", type, step_id as "stepId", attempt, label, body
from run_event where run_id = any($1::uuid[]) and type <> 'LOG' order by run_id, sequence`;

export const lastSequencesSql = `
select id as "runId", (select max(sequence) from run_event where run_id = id) as sequence from unnest($1::uuid[]) as id`;

/** What runs are to hear of. $1 ids of runs. */
export const signalsSql = `select id, run_id as "runId", type, body from run_signal where run_id = any($1::uuid[]) order by id`;

/** Which of this node's runs are to hear of something, whatever notification was lost. $1 node. */
export const signalledSql = `
select distinct run_id as "runId" from run_signal join run on run.id = run_signal.run_id where run.owner_id = $1`;

/** Sleeping runs that are to hear of something are due; what ended runs were to hear of is dropped. */
export const wakeSignalledSql = `
with woken as (
  update run set wake_at = now() where wake_at > now() and id in (select run_id from run_signal)
)
delete from run_signal using run where run.id = run_signal.run_id and run.finished_at is not null`;

/** Gives a run back that could not be loaded, to be tried again after $2 milliseconds. $3 is the owner, so that only its own is given. */
export const giveBackSql = `
update run set owner_id = null, wake_at = now() + $2 * interval '1 millisecond' where id = $1 and owner_id = $3`;

/** Earliest time at which a sleeping run falls due, in milliseconds from now; null when there is none. */
export const nextDueSql = `select extract(epoch from min(wake_at) - now()) * 1000 as ms from run where wake_at is not null`;

/** What a node owns besides the runs it knows of: a claim or a load that failed left them behind. $1 node, $2 ids it knows of. */
export const straysSql = `select id from run where owner_id = $1 and not id = any($2::uuid[])`;
