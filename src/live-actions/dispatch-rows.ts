import type { EntityManager } from "@mikro-orm/postgresql";
import { auditedEach, auditJson } from "../audit/record-audit.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { type Execute, executeIn, statement } from "../database/statement.ts";
import type { SealedSecret } from "../secrets/credential-store.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import type { AcceptedRequest } from "./accept-request.ts";
import { auditedEnd, beginningDeed } from "./audit-dispatch.ts";
import type { DispatchResult } from "./dispatch-result.ts";
import type { LiveActionDispatch } from "./entities.ts";
import { askedSql, type GovernanceQuestion, questionJson } from "./governance.ts";
import { type DispatchRow, dispatchOf, type FoundRow, foundOf } from "./read-dispatch-row.ts";

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
  /** What its tenant has to say for it to be written, where that was not read just now. */
  readonly expected?: { readonly question: GovernanceQuestion; readonly said: string } | undefined;
  /** The secrets that a call needs at once. */
  readonly secretNames?: readonly string[] | undefined;
}

/** What became of a dispatch that was to be written. */
export interface Written {
  /** Undefined where there is one of this request already, or another that rolls the same one back; and where it is outdated. */
  readonly dispatch: Found;
  /** Its tenant does not say any more what was expected: nothing was written. */
  readonly isOutdated: boolean;
  /** Those of `secretNames` that there are, where it runs; undefined where it does not say which it needs. */
  readonly sealedSecrets: readonly SealedSecret[] | undefined;
}

/** How a dispatch begins: with its result where nobody is called, running, or asking first. */
export type DispatchStart =
  | { readonly name: "COMPLETED"; readonly result: DispatchResult }
  | { readonly name: "RUNNING"; readonly timeoutMs: number }
  | { readonly name: "AWAITING_APPROVAL"; readonly approvalId: string; readonly sealed: string | undefined };

/** How a dispatch ends. */
export interface DispatchEnd extends Pick<LiveActionDispatch, "id" | "tenantId"> {
  readonly result: DispatchResult;
}

type Found = LiveActionDispatch | undefined;

/** {@link insertDispatches} of one, in the transaction of `em`. */
export async function insertDispatch(em: EntityManager, row: NewDispatch): Promise<Written> {
  return (await insertDispatches(executeIn(em), [row], true))[0] as Written;
}

/** {@link completeDispatches} of one, in the transaction of `em`. */
export async function completeDispatch(
  em: EntityManager,
  { id, tenantId }: Pick<LiveActionDispatch, "id" | "tenantId">,
  result: DispatchResult,
): Promise<Found> {
  return (await completeDispatches(executeIn(em), [{ id, tenantId, result }], true))[0];
}

/**
 * Writes dispatches of a tenant down, what they use where they run, and their entries in the audit trail, by one statement; but none whose tenant
 * says something else by now than it expects.
 * @param isHeard Whether other nodes are to be told at once; else they look a little later.
 * @returns In their order.
 */
export async function insertDispatches(
  execute: Execute,
  rows: readonly NewDispatch[],
  isHeard: boolean,
): Promise<Written[]> {
  const questions = rows.map(({ expected }) =>
    expected ? JSON.stringify(questionJson(expected.question, expected.said)) : undefined,
  );
  const distinct = [...new Set(questions.filter((question) => question !== undefined))];
  const numbers = new Map(distinct.map((question, index) => [question, index + 1]));
  const given = rows.map((row, index) => ({ ...bornJson(row), question: numbers.get(questions[index] ?? "") }));
  const values = [`[${distinct.join(",")}]`, JSON.stringify(given), isHeard];
  const written = new Map((await execute<WrittenRow>(insertStatement, values)).map((found) => [found.id, found]));
  return rows.map(({ id, secretNames }) => {
    const { row, isOutdated = false, sealedSecrets } = written.get(id) ?? {};
    return {
      dispatch: row ? dispatchOf(row) : undefined,
      isOutdated,
      sealedSecrets: secretNames && (sealedSecrets ?? []),
    };
  });
}

interface WrittenRow {
  readonly id: string;
  readonly row: DispatchRow | null;
  readonly isOutdated: boolean;
  readonly sealedSecrets: readonly SealedSecret[] | null;
}

/**
 * Ends dispatches of a tenant that are still open, by one statement. What ran and turned out to call nobody is given back to the usage, of the
 * latest day that has some.
 * @param isHeard As of {@link insertDispatches}.
 * @returns In their order; undefined where one has ended otherwise.
 */
export async function completeDispatches(
  execute: Execute,
  ends: readonly DispatchEnd[],
  isHeard: boolean,
): Promise<Found[]> {
  const json = ends.map(({ id, tenantId, result }) => ({
    ...{ id, tenant_id: tenantId, is_uncalled: result.isUncalled ?? result.status === "SIMULATED" },
    ...resultJson(result),
  }));
  return foundOf(ends, await execute<FoundRow>(completeStatement, [JSON.stringify(json), isHeard]));
}

/** Lets a dispatch run that was asked about, and counts it. @returns Undefined where it does not wait any more. */
export async function runDispatch(
  em: EntityManager,
  { id, tenantId }: Pick<LiveActionDispatch, "id" | "tenantId">,
  { cost, timeoutMs }: { readonly cost: number; readonly timeoutMs: number },
): Promise<Found> {
  const rows = await executeIn(em)<FoundRow>(runStatement, [cost, leaseOf(timeoutMs), id, tenantId]);
  return foundOf([{ id }], rows)[0];
}

/** A node that has not ended a dispatch by then is dead: its adapter's time, and some to write the result down. */
function leaseOf(timeoutMs: number): number {
  return timeoutMs + limits.dispatchLeaseMarginMs;
}

/** By the table's columns, and what the statement makes columns of. */
function bornJson(row: NewDispatch): object {
  const { id, tenantId, requestId, mode, capability, vendorId, actor, state, givenCredentials: given } = row;
  return {
    ...{ id, tenant_id: tenantId, request_id: requestId, mode, state: state.name, capability, vendor_id: vendorId },
    ...{ target: row.target, params: row.params, given_credentials: Object.keys(given).length === 0 ? null : given },
    ...{ case_id: row.caseId, requested_by: row.requestedBy, actor_kind: actor.kind, actor_name: actor.name },
    ...{ actor_id: actor.id, input_hash: row.inputHash, cost: row.cost, reason: row.reason },
    ...{
      rollback_of_id: row.rollbackOfId,
      secret_names: row.secretNames,
      audit: auditJson({ tenantId, actor }, beginningDeed(row)),
    },
    ...startJson(state),
  };
}

function startJson(state: DispatchStart): object {
  if (state.name === "COMPLETED") return resultJson(state.result);
  if (state.name === "RUNNING") return { lease_ms: leaseOf(state.timeoutMs) };
  return { approval_id: state.approvalId, sealed_credentials: state.sealed };
}

function resultJson({ status, summary, details, error, warnings }: DispatchResult) {
  return { status, summary, details, error, warnings };
}

/** What runs is about to call its vendor, and counts. */
function counting(running: string): string {
  return `
  insert into live_action_usage (id, tenant_id, day, capability, vendor_id, calls, cost)
  select uuidv7(), tenant_id, (now() at time zone 'utc')::date, capability, vendor_id, count(*), sum(cost) from ${running}
  group by tenant_id, capability, vendor_id order by capability, vendor_id
  on conflict (tenant_id, day, capability, vendor_id)
  do update set calls = live_action_usage.calls + excluded.calls, cost = live_action_usage.cost + excluded.cost
`;
}

/**
 * The rows that stand in a list of JSON objects by their columns; the objects are their `item`. Each is one, which PostgreSQL can't know: so it
 * expects one row of them, and looks each dispatch up by its id. The plan is kept, and made when the table may be empty: for the hundred rows that it
 * would expect it reads the whole table, however long that is by then.
 */
const given = `given as materialized (
  select item, r.* from jsonb_array_elements(?::jsonb) as item, jsonb_populate_record(null::live_action_dispatch, item) as r
  where jsonb_typeof(item) = 'object'
)`;

// In the order of what they undo, and of their requests: two nodes that write the same ones don't wait for each other, of which the database would
// notice a second later.
export const insertStatement = statement(
  "insert-dispatches",
  `
with ${askedSql}, ${given}, born as (
  insert into live_action_dispatch (id, tenant_id, created_at, request_id, mode, state, capability, vendor_id, target, params,
    given_credentials, sealed_credentials, case_id, requested_by, actor_kind, actor_name, actor_id, input_hash, cost, approval_id, rollback_of_id, reason,
    lease_until, status, summary, details, error, warnings, completed_at)
  select id, tenant_id, clock_timestamp(), request_id, mode, state, capability, vendor_id, target, params,
    given_credentials, sealed_credentials, case_id, requested_by, actor_kind, actor_name, actor_id, input_hash, cost, approval_id, rollback_of_id, reason,
    clock_timestamp() + (item->>'lease_ms')::float8 * interval '1 millisecond', status, summary, details, error, warnings,
    case when status is not null then clock_timestamp() end
  from given
  where item ->> 'question' is null or exists (select from asked where number = (item ->> 'question')::int and is_expected)
  order by rollback_of_id, request_id, mode
  on conflict do nothing
  returning *
), used as (${counting("born where state = 'RUNNING'")}
), deeds as (
  select given.item -> 'audit' as audit from born join given on given.id = born.id
), ${auditedEach("deeds")}
select given.id, case when born.id is not null then row_to_json(born) end as row,
  asked.is_expected is false as "isOutdated",
  case when born.state = 'RUNNING' then (
    select json_agg(json_build_object('name', name, 'sealed', sealed, 'lastUsedAt', last_used_at)) from secret
    where tenant_id = born.tenant_id and name = any(array(select jsonb_array_elements_text(given.item -> 'secret_names')))
  ) end as "sealedSecrets",
  case when ?::boolean and born.id is not null then pg_notify('riposte_run', born.id::text) end as told
from given left join born on born.id = given.id left join asked on asked.number = (given.item ->> 'question')::int`,
);

// By the primary key: as an expression, the tenant makes no plan for an empty table read all that is the tenant's, once there is some.
export const completeStatement = statement(
  "complete-dispatches",
  `
with ${given}, done as (
  update live_action_dispatch as d set state = 'COMPLETED', status = given.status, summary = given.summary, details = given.details,
    error = given.error, warnings = given.warnings, completed_at = clock_timestamp(), sealed_credentials = null, lease_until = null,
    changed_xid = pg_current_xact_id()::text::bigint, cost = case when (given.item ->> 'is_uncalled')::boolean then 0 else d.cost end
  from given
  where d.id = given.id and d.tenant_id::text = given.tenant_id::text and d.state <> 'COMPLETED'
  returning d.*, old.state as state_before, old.cost as cost_before, (given.item ->> 'is_uncalled')::boolean as is_uncalled
), unspent as (
  select tenant_id, capability, vendor_id, count(*) as calls, sum(cost_before) as cost from done
  where is_uncalled and state_before = 'RUNNING'
  group by tenant_id, capability, vendor_id
), given_back as (
  update live_action_usage used set calls = used.calls - unspent.calls, cost = used.cost - unspent.cost
  from unspent
  where (used.tenant_id, used.capability, used.vendor_id) = (unspent.tenant_id, unspent.capability, unspent.vendor_id)
    and used.day = (select max(day) from live_action_usage
      where (tenant_id, capability, vendor_id) = (unspent.tenant_id, unspent.capability, unspent.vendor_id) and calls > 0)
), ${auditedEnd("done")}
select id, row_to_json(done) as row, case when ?::boolean then pg_notify('riposte_run', id::text) end as told from done`,
);

const runStatement = statement(
  "run-dispatch",
  `
with running as (
  update live_action_dispatch set state = 'RUNNING', cost = ?, lease_until = clock_timestamp() + ?::float8 * interval '1 millisecond',
    changed_xid = pg_current_xact_id()::text::bigint
  where id = ? and tenant_id = ? and state = 'AWAITING_APPROVAL'
  returning *
), used as (${counting("running")})
select id, row_to_json(running) as row, pg_notify('riposte_run', id::text) as told from running`,
);
