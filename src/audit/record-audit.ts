import type { EntityManager } from "@mikro-orm/postgresql";
import { newId } from "../core/ids.ts";
import { type JsonObject, storableJson } from "../core/json.ts";

/** Who did it, and in which tenant: an OperationContext is one. */
export interface Doer {
  readonly tenantId: string;
  readonly actor: { readonly kind: string; readonly id?: string; readonly name: string };
}

/** What was done. */
export interface Deed {
  /** The root field, such as `putSecret`. */
  readonly operation: string;
  /** What it was done to: `<kind>:<id or name>`, such as `secret:edr-token`; at most 512 characters. */
  readonly subject?: string;
  /** Lower case; `succeeded` unless said otherwise. */
  readonly outcome?: string;
  /** What people will ask for. No secret, no value that could hold one: names, ids, versions, counts. */
  readonly detail?: JsonObject;
}

/**
 * Writes what was done into the audit trail, in the transaction of the deed itself: call it with the EntityManager of that transaction. When it
 * throws, the deed does not happen.
 */
export async function recordAudit(em: EntityManager, doer: Doer, deed: Deed): Promise<void> {
  const { tenantId, actor } = doer;
  const { operation, subject = null, outcome = "succeeded", detail } = deed;
  await em.execute(insertSql, [
    ...[newId(), tenantId, new Date(), actor.kind, actor.id ?? null, actor.name],
    ...[operation, subject, outcome, detail === undefined ? null : JSON.stringify(storableJson(detail))],
  ]);
}

const insertSql = `insert into audit_entry (id, tenant_id, at, actor_kind, actor_id, actor_name, operation, subject, outcome, detail)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb)`;
