import type { EntityManager } from "@mikro-orm/postgresql";
import { cutText } from "../core/cut-text.ts";
import { newId } from "../core/ids.ts";
import { type JsonObject, storableText } from "../core/json.ts";
import { maskedDetail } from "./masked-detail.ts";

/** Who did it, and in which tenant: an OperationContext is one. */
export interface Doer {
  readonly tenantId: string;
  readonly actor: { readonly kind: string; readonly id?: string; readonly name: string };
}

/** What was done. */
export interface Deed {
  /** The root field, such as `putSecret`. */
  readonly operation: string;
  /** What it was done to: `<kind>:<id or name>`, such as `secret:edr-token`; cut at 512 characters. */
  readonly subject?: string;
  /** Lower case; `succeeded` unless said otherwise. */
  readonly outcome?: string;
  /** What people will ask for. No secret, no value that could hold one: names, ids, versions, counts. */
  readonly detail?: JsonObject;
}

/** A deed as it is stored. */
export interface AuditRow {
  readonly operation: string;
  readonly subject: string | null;
  readonly outcome: string;
  readonly detail: JsonObject | null;
}

const subjectLengthMax = 512;

/** The deed within its bounds, its detail masked. */
export function auditRow({ operation, subject, outcome = "succeeded", detail }: Deed): AuditRow {
  return {
    operation,
    subject: subject === undefined ? null : cutText(storableText(subject), subjectLengthMax),
    outcome,
    detail: detail === undefined ? null : maskedDetail(detail),
  };
}

/**
 * Writes what was done into the audit trail, in the transaction of the deed itself: call it with the EntityManager of that transaction. When it
 * throws, the deed does not happen.
 */
export async function recordAudit(em: EntityManager, doer: Doer, deed: Deed): Promise<void> {
  await em.execute(`insert into audit_entry (${columns}) values (${placeholders})`, auditValues(doer, deed));
}

/**
 * The same within the statement of the deed: a CTE that writes the entry if `born`, the CTE of the deed before it, has a row. Its placeholders take
 * {@link auditValues}.
 */
export function auditedIf(born: string): string {
  return `audited as (insert into audit_entry (${columns}) select ${placeholders} from ${born} limit 1)`;
}

/** The values of an entry, for its placeholders. */
export function auditValues(doer: Doer, deed: Deed): unknown[] {
  const { detail, ...row } = auditJson(doer, deed);
  return [...Object.values(row), detail === null ? null : JSON.stringify(detail)];
}

/**
 * The same for many deeds of one statement: each row of `born` has the entry of its deed, as {@link auditJson} makes it, in its `audit`, a jsonb.
 */
export function auditedEach(born: string): string {
  return `audited as (
  insert into audit_entry (${columns})
  select e.id, e.tenant_id, clock_timestamp(), e.actor_kind, e.actor_id, e.actor_name, e.operation, e.subject, e.outcome, e.detail
  from ${born}, jsonb_populate_record(null::audit_entry, ${born}.audit) as e
)`;
}

/** An entry by its columns, but for its time. */
export function auditJson({ tenantId, actor }: Doer, deed: Deed) {
  const { operation, subject, outcome, detail } = auditRow(deed);
  return {
    ...{ id: newId(), tenant_id: tenantId, actor_kind: actor.kind, actor_id: actor.id ?? null, actor_name: actor.name },
    ...{ operation, subject, outcome, detail },
  };
}

const columns = "id, tenant_id, at, actor_kind, actor_id, actor_name, operation, subject, outcome, detail";
// Typed, since a select gives its parameters no types. The database's clock is the same for every node.
const placeholders =
  "?::uuid, ?::uuid, clock_timestamp(), ?::text, ?::uuid, ?::text, ?::text, ?::text, ?::text, ?::jsonb";
