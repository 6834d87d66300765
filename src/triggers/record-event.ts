import type { EntityManager } from "@mikro-orm/postgresql";
import { auditedIf, auditValues, type Deed } from "../audit/record-audit.ts";
import { ConflictFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import { canonicalJson, type JsonObject, sha256 } from "../core/json.ts";
import { TriggerEvent } from "../runs/entities.ts";
import type { Actor } from "../tenancy/operation-context.ts";

/** An event of a tenant that is to be written down. */
export interface NewEvent {
  readonly type: string;
  /** What makes it the same event when it is delivered again; its own id where it is left out, so that it is always another. */
  readonly key?: string | undefined;
  readonly data: JsonObject;
  /** When it happened. */
  readonly at: Date;
  readonly by: Actor;
  /** The one playbook that it is for. */
  readonly playbookId?: string;
  /** What the audit trail calls it, where somebody has emitted it. */
  readonly operation?: Deed["operation"];
}

/**
 * Writes an event down, unless it was before: the same type, key and data is the same event, whoever sends it and whenever it says that
 * it happened.
 * @returns Its row, the first one of the same event.
 * @throws ConflictFailure `event_conflict` when the key was used with other data.
 */
export async function recordEvent(em: EntityManager, tenantId: string, event: NewEvent): Promise<TriggerEvent> {
  const id = newId();
  const { type, key = id, data, at, by, playbookId = null } = event;
  const dataHash = sha256(canonicalJson(data));
  const values: unknown[] = [id, tenantId, type, key, at.getTime(), JSON.stringify(data), dataHash];
  values.push(by.kind, by.name, by.id ?? null, playbookId);
  if (event.operation === undefined) await em.execute(insertSql, values);
  else {
    const deed = { operation: event.operation, subject: `event:${type}`, detail: { eventId: id, key, dataHash } };
    await em.execute(insertAuditedSql, [...values, ...auditValues({ tenantId, actor: by }, deed)]);
  }
  const row = await em.findOneOrFail(TriggerEvent, { tenantId, type, key }, { disableIdentityMap: true });
  if (row.dataHash !== dataHash) {
    const message = `An event ${type} with this key has come before, with other data. Take a new key for a new event.`;
    throw new ConflictFailure("event_conflict", message);
  }
  return row;
}

const insertSql = `
insert into trigger_event (id, tenant_id, created_at, type, key, at, data, data_hash, emitted_by_kind, emitted_by_name, emitted_by_id, playbook_id)
values (?, ?, now(), ?, ?, to_timestamp(?::float8 / 1000), ?::jsonb, ?, ?, ?, ?, ?)
on conflict (tenant_id, type, key) do nothing`;
const insertAuditedSql = `with born as (${insertSql} returning id), ${auditedIf("born")} select from born`;
