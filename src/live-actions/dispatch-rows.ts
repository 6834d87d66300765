import type { EntityManager } from "@mikro-orm/postgresql";
import { auditedIf, auditValues } from "../audit/record-audit.ts";
import { newId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import type { AcceptedRequest } from "./accept-request.ts";
import { auditedEnd, beginningDeed } from "./audit-dispatch.ts";
import type { DispatchResult } from "./dispatch-result.ts";
import { LiveActionDispatch } from "./entities.ts";

/** Dispatches are read as they are now: an identity map would answer what it read before. */
export const unshared = { disableIdentityMap: true } as const;

/** A dispatch that is about to be written. */
export interface NewDispatch
  extends Pick<AcceptedRequest, "requestId" | "capability" | "vendorId" | "caseId" | "requestedBy" | "inputHash"> {
  readonly id: string;
  readonly tenantId: string;
  /** The root field that asked for it. */
  readonly operation: "dispatchLiveAction" | "dryRunLiveAction" | "rollbackLiveAction";
  readonly mode: LiveActionDispatch["mode"];
  readonly actor: Actor;
  /** As they are shown. */
  readonly target: string;
  readonly params: AcceptedRequest["params"];
  readonly givenCredentials: JsonObject;
  readonly cost: number;
  readonly state: DispatchStart;
  readonly rollbackOfId?: string;
  readonly reason?: string | undefined;
}

/** How a dispatch begins: with its result where nobody is called, running, or asking first. */
export type DispatchStart =
  | { readonly name: "COMPLETED"; readonly result: DispatchResult }
  | { readonly name: "RUNNING"; readonly timeoutMs: number }
  | { readonly name: "AWAITING_APPROVAL"; readonly approvalId: string; readonly sealed: string | undefined };

/**
 * Writes a dispatch down, what it uses where it runs, and its entry in the audit trail, by one statement.
 * @returns Undefined where there is one of this request already, or another that rolls the same one back.
 */
export async function insertDispatch(em: EntityManager, row: NewDispatch): Promise<LiveActionDispatch | undefined> {
  const { id, tenantId, requestId, mode, capability, actor, state } = row;
  const result = state.name === "COMPLETED" ? state.result : undefined;
  const [approvalId, sealed] = state.name === "AWAITING_APPROVAL" ? [state.approvalId, state.sealed] : [];
  const leaseMs = state.name === "RUNNING" ? leaseOf(state.timeoutMs) : null;
  const values = [
    ...[id, tenantId, requestId, mode, state.name, capability, row.vendorId ?? null, row.target],
    ...[JSON.stringify(row.params), givenOf(row), sealed ?? null, row.caseId ?? null, row.requestedBy ?? null],
    ...[actor.kind, actor.name, actor.id ?? null, row.inputHash, row.cost, approvalId ?? null],
    ...[row.rollbackOfId ?? null, row.reason ?? null, leaseMs],
    ...resultValues(result),
    result !== undefined,
    newId(),
    ...auditValues({ tenantId, actor }, beginningDeed(row)),
  ];
  return oneOf(em, insertSql, values);
}

function givenOf({ givenCredentials }: NewDispatch): string | null {
  return Object.keys(givenCredentials).length === 0 ? null : JSON.stringify(givenCredentials);
}

/** A node that has not ended a dispatch by then is dead: its adapter's time, and some to write the result down. */
function leaseOf(timeoutMs: number): number {
  return timeoutMs + limits.dispatchLeaseMarginMs;
}

/** What runs is about to call its vendor, and counts. Takes the id of a new row. */
function counting(running: string): string {
  return `
  insert into live_action_usage (id, tenant_id, day, capability, vendor_id, calls, cost)
  select ?::uuid, tenant_id, (now() at time zone 'utc')::date, capability, vendor_id, 1, cost from ${running}
  on conflict (tenant_id, day, capability, vendor_id)
  do update set calls = live_action_usage.calls + 1, cost = live_action_usage.cost + excluded.cost
`;
}

const insertSql = `
with born as (
  insert into live_action_dispatch (id, tenant_id, created_at, request_id, mode, state, capability, vendor_id, target, params,
    given_credentials, sealed_credentials, case_id, requested_by, actor_kind, actor_name, actor_id, input_hash, cost, approval_id, rollback_of_id, reason,
    lease_until, status, summary, details, error, warnings, completed_at)
  values (?, ?, clock_timestamp(), ?, ?, ?, ?, ?, ?, ?::jsonb, ?::jsonb, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    clock_timestamp() + ?::float8 * interval '1 millisecond', ?, ?, ?::jsonb, ?, ?::jsonb,
    case when ?::boolean then clock_timestamp() end)
  on conflict do nothing
  returning *
), used as (${counting("born where state = 'RUNNING'")}), ${auditedIf("born")}
select born.*, pg_notify('riposte_run', id::text) from born`;

/**
 * Ends a dispatch that is still open. One that ran and turned out to call nobody is given back to the usage, of the latest day that has one.
 * @returns Undefined where it has ended otherwise.
 */
export function completeDispatch(
  em: EntityManager,
  { id, tenantId }: Pick<LiveActionDispatch, "id" | "tenantId">,
  result: DispatchResult,
): Promise<LiveActionDispatch | undefined> {
  return oneOf(em, completeSql, [...resultValues(result), result.status, id, tenantId]);
}

const completeSql = `
with done as (
  update live_action_dispatch set state = 'COMPLETED', status = ?, summary = ?, details = ?::jsonb, error = ?, warnings = ?::jsonb,
    completed_at = clock_timestamp(), sealed_credentials = null, lease_until = null, changed_xid = pg_current_xact_id()::text::bigint,
    cost = case when ? = 'SIMULATED' then 0 else cost end
  where id = ? and tenant_id = ? and state <> 'COMPLETED'
  returning *, old.state as state_before, old.cost as cost_before
), given_back as (
  update live_action_usage used set calls = used.calls - 1, cost = used.cost - done.cost_before
  from done
  where done.status = 'SIMULATED' and done.state_before = 'RUNNING'
    and (used.tenant_id, used.capability, used.vendor_id) = (done.tenant_id, done.capability, done.vendor_id)
    and used.day = (select max(day) from live_action_usage
      where (tenant_id, capability, vendor_id) = (done.tenant_id, done.capability, done.vendor_id) and calls > 0)
), ${auditedEnd("done")}
select done.*, pg_notify('riposte_run', id::text) from done`;

/** Lets a dispatch run that was asked about, and counts it. @returns Undefined where it does not wait any more. */
export function runDispatch(
  em: EntityManager,
  { id, tenantId }: Pick<LiveActionDispatch, "id" | "tenantId">,
  { cost, timeoutMs }: { readonly cost: number; readonly timeoutMs: number },
): Promise<LiveActionDispatch | undefined> {
  return oneOf(em, runSql, [cost, leaseOf(timeoutMs), id, tenantId, newId()]);
}

const runSql = `
with running as (
  update live_action_dispatch set state = 'RUNNING', cost = ?, lease_until = clock_timestamp() + ?::float8 * interval '1 millisecond',
    changed_xid = pg_current_xact_id()::text::bigint
  where id = ? and tenant_id = ? and state = 'AWAITING_APPROVAL'
  returning *
), used as (${counting("running")})
select running.*, pg_notify('riposte_run', id::text) from running`;

function resultValues(result: DispatchResult | undefined): unknown[] {
  if (!result) return [null, null, null, null, null];
  const { status, summary, details, error, warnings } = result;
  return [status, summary, JSON.stringify(details), error, JSON.stringify(warnings)];
}

async function oneOf(em: EntityManager, sql: string, values: unknown[]): Promise<LiveActionDispatch | undefined> {
  const [row] = await em.execute<Record<string, unknown>[]>(sql, values);
  if (!row) return undefined;
  const { pg_notify: _told, state_before: _state, cost_before: _cost, ...columns } = row;
  // Into a unit of work of its own: an identity map would keep what it read before.
  return em.fork({ clear: true }).map(LiveActionDispatch, columns as never);
}
