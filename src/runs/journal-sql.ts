import {
  approvalColumns,
  auditColumns,
  birthColumns,
  type ColumnTypes,
  eventColumns,
  headColumns,
  triggeredColumns,
} from "./journal-rows.ts";

const firstColumn = 6;
const firstHeadColumn = firstColumn + Object.keys(birthColumns).length;
const firstEventColumn = firstHeadColumn + Object.keys(headColumns).length;
const closedApprovals = firstEventColumn + Object.keys(eventColumns).length;
const firstApprovalColumn = closedApprovals + 1;
const firstTriggeredColumn = firstApprovalColumn + Object.keys(approvalColumns).length;
const auditsBehindSide = firstTriggeredColumn + Object.keys(triggeredColumns).length;

/** Rows out of one array for each column; the first column is parameter `first`. */
function rowsOf(columns: ColumnTypes, name: string, first: number): string {
  const arrays = Object.values(columns).map((type, index) => `$${first + index}::${type}[]`);
  return `unnest(${arrays.join(", ")}) as ${name}(${Object.keys(columns).join(", ")})`;
}

/**
 * One flush: births, events, heads and consumed signals, in one statement, so all of it or nothing.
 * `fence` is empty once this node was declared dead; then nothing is written. It locks the node's row against the declaration, which
 * takes the row FOR UPDATE, and leaves heartbeats alone. Events of a birth whose idempotency key was taken fall away with it.
 * Each head's run is to be looked up by its id, whatever the planner thinks of tables that were small when it planned: `between`, which
 * is always true, makes it expect one head, and `coalesce` keeps it off the index on the owner, which holds every run of this node.
 * Else a flush of a thousand heads compares each with every run there is.
 * $1 node, $2 epoch, $3 births sent, $4 signals, $5 text of the notification ('' for none), from $6 on the columns of births, heads and
 * events, then the closed approvals and the columns of new approvals and triggered events, in the statement that has them.
 */
const flushOf = (side: string) => `
with fence as materialized (
  select id from node where id = $1 and epoch = $2 and left_at is null for key share
), births as (
  insert into run (id, tenant_id, created_at, kind, status, playbook_id, playbook_version_id, action_id, action_version_id, context,
    parameters, sealed_secrets, sandbox, dry_run, started_by_kind, started_by_name, started_by_id, idempotency_key, input_hash,
    rerun_of_id, event_id, chain, owner_id, wake_at, started_at, finished_at, attempt, failed_step_count, simulated_step_count, error_code, error_message,
    held_bytes)
  select b.id, b.tenant, to_timestamp(b.at / 1000.0), b.kind, b.status, b.playbook, b.playbook_version, b.action, b.action_version, b.context,
    b.parameters, case when b.finished is null then b.secrets end, b.sandbox, b.dry_run, b.by_kind, b.by_name, b.by_id, b.idempotency_key, b.input_hash,
    b.rerun_of, b.event, b.chain, case when b.is_released then null else $1 end, to_timestamp(b.wake / 1000.0), to_timestamp(b.started / 1000.0),
    to_timestamp(b.finished / 1000.0), b.attempt, b.failed, b.simulated, b.error_code, b.error_message,
    b.held
  from ${rowsOf(birthColumns, "b", firstColumn)}, fence
  on conflict do nothing
  returning id
), written as (
  insert into run_event (run_id, sequence, tenant_id, at, run_attempt, type, step_id, attempt, label, body)
  select e.r, e.s, e.t, to_timestamp(e.a / 1000.0), e.n, e.y, e.i, e.m, e.l, e.b
  from ${rowsOf(eventColumns, "e", firstEventColumn)}, fence
  where not e.z or e.r in (select id from births)
), heads as (
  update run set status = h.status, owner_id = case when h.is_released then null else $1 end, wake_at = to_timestamp(h.wake / 1000.0),
    started_at = to_timestamp(h.started / 1000.0), finished_at = to_timestamp(h.finished / 1000.0), attempt = h.attempt,
    failed_step_count = h.failed, simulated_step_count = h.simulated, error_code = h.error_code, error_message = h.error_message,
    held_bytes = h.held, sealed_secrets = case when h.finished is null then run.sealed_secrets end,
    changed_xid = pg_current_xact_id()::text::bigint
  from ${rowsOf(headColumns, "h", firstHeadColumn)}, fence
  where h.attempt between 1 and 2147483647 and run.id = h.id and coalesce(run.owner_id, 0) = $1
), consumed as (
  delete from run_signal using fence where run_signal.id = any($4::uuid[])
)${side}
select (select count(*)::int from fence) as fenced,
  case when (select count(*) from births) < $3::int then array(select id::text from births) end as born,
  case when $5::text <> '' then pg_notify('riposte_run', $5::text) end as notified`;

/** Of a flush that has nothing for other tables: nearly every one. */
export const flushSql = flushOf("");

/** The audit entries of births, where these were written. */
const auditedFrom = (first: number) => `, audited as (
  insert into audit_entry (id, tenant_id, at, actor_kind, actor_id, actor_name, operation, subject, outcome, detail)
  select a.id, a.tenant, to_timestamp(a.at / 1000.0), a.by_kind, a.by_id, a.by_name, a.operation, a.subject, a.outcome, a.detail
  from ${rowsOf(auditColumns, "a", first)} where a.run in (select id from births)
)`;

/** Of a flush with runs that somebody has started. A statement of its own, too: one more table to write to costs every flush that has nothing for it. */
export const flushWithAuditsSql = flushOf(auditedFrom(closedApprovals));

/** Of a flush that makes or closes requests for approval, or triggers something: it costs as much again, so it is a statement of its own; it takes audit entries, too. */
export const flushWithSideRowsSql = flushOf(`, closed as (
  update approval set status = 'CLOSED', changed_xid = pg_current_xact_id()::text::bigint from fence
  where approval.id = any($${closedApprovals}::uuid[]) and approval.status = 'PENDING'
), requested as (
  insert into approval (id, tenant_id, created_at, status, message, approvers, run_id, step_id, requester_id, effect, expires_at)
  select q.id, q.tenant, to_timestamp(q.at / 1000.0), case when q.is_closed then 'CLOSED' else 'PENDING' end, q.message,
    q.approvers, q.run, q.step, q.requester, q.effect, to_timestamp(q.expires / 1000.0)
  from ${rowsOf(approvalColumns, "q", firstApprovalColumn)}, fence
  where not q.of_birth or q.run in (select id from births)
), triggered as (
  insert into trigger_event (id, tenant_id, created_at, type, key, at, data, data_hash, emitted_by_kind, emitted_by_name, emitted_by_id,
    run_id, step_id, chain)
  select t.id, t.tenant, now(), t.type, t.key, to_timestamp(t.at / 1000.0), t.data, t.data_hash, t.by_kind, t.by_name, t.by_id,
    t.run, t.step, t.chain
  from ${rowsOf(triggeredColumns, "t", firstTriggeredColumn)}, fence
  on conflict do nothing
)${auditedFrom(auditsBehindSide)}`);

/** Settings of the journal's connection. Fresh tables have no statistics, and the planner would hash the whole run table for each flush. */
export const flushSettings =
  "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c application_name=riposte-journal";

/** Which entries of a flush are there, while the node may still write. $1 node, $2 epoch, $3 and $4 run and sequence of each entry's first event. */
export const writtenSql = `
select (select count(*)::int from node where id = $1 and epoch = $2 and left_at is null) as fenced,
  array(
    select run_id::text from run_event join unnest($3::uuid[], $4::int[]) as f(run, place) on run_id = f.run and sequence = f.place
  ) as written`;

/** Ends a journal's backend and waits until it is gone. $1 its process, $2 at most so many milliseconds. */
export const endBackendSql = `
select pg_terminate_backend(pid, $2) as "isGone" from pg_stat_activity
where pid = $1 and application_name = 'riposte-journal' and pid <> pg_backend_pid()`;
