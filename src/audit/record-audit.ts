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
export function auditValues({ tenantId, actor }: Doer, deed: Deed): unknown[] {
  const { operation, subject, outcome, detail } = auditRow(deed);
  return [
    ...[newId(), tenantId, actor.kind, actor.id ?? null, actor.name],
    ...[operation, subject, outcome, detail === null ? null : JSON.stringify(detail)],
  ];
}

const columns = "id, tenant_id, at, actor_kind, actor_id, actor_name, operation, subject, outcome, detail";
// Typed, since a select gives its parameters no types. The database's clock is the same for every node.
const placeholders =
  "?::uuid, ?::uuid, clock_timestamp(), ?::text, ?::uuid, ?::text, ?::text, ?::text, ?::text, ?::jsonb";
