import type { EntityManager } from "@mikro-orm/postgresql";
import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ChainedEntry, SealedEntry } from "./chain.ts";

// As texts, so that what is hashed does not depend on how a driver reads instants and numbers. `order by` qualifies its columns: their bare names are
// these texts.
const columns = `tenant_id::text as "tenantId", id::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
  actor_kind as "actorKind", actor_id::text as "actorId", actor_name as "actorName", operation, subject, outcome, detail::text as detail,
  sequence::text as sequence, previous_hash as "previousHash", hash`;

/** Of PostgreSQL's bigint. */
const lowestNumber = "-9223372036854775808";

interface Row {
  readonly tenantId: string;
  readonly id: string;
  readonly at: string;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly actorName: string;
  readonly operation: string;
  readonly subject: string | null;
  readonly outcome: string;
  readonly detail: string | null;
  readonly sequence: string | null;
  readonly previousHash: string | null;
  readonly hash: string | null;
}

/** An entry that has no place in the chain yet. */
export type UnsealedEntry = Omit<ChainedEntry, "sequence" | "previousHash">;

/** The tenant's next entries to be sealed, in the order of their ids; at most `limits.auditPageMax`. */
export async function readUnsealed(em: EntityManager, tenantId: string): Promise<readonly UnsealedEntry[]> {
  const sql = `select ${columns} from audit_entry where tenant_id = ? and sequence is null order by audit_entry.id limit ?`;
  return (await em.execute<Row[]>(sql, [tenantId, limits.auditPageMax])).map(entryOf);
}

/**
 * The entries behind a sequence, up to `limits.auditPageMax` of them; none where the next one is missing. By a range, so that rows which share a number
 * are all seen; 0 reads from the very first row, whatever its number.
 */
export async function readSealed(em: EntityManager, tenantId: string, behind: number): Promise<readonly SealedEntry[]> {
  const sql = `select ${columns} from audit_entry where tenant_id = ? and sequence >= ? and sequence <= ? order by audit_entry.sequence, audit_entry.id limit ?`;
  const range = [behind === 0 ? lowestNumber : behind + 1, behind + limits.auditPageMax];
  return (await em.execute<Row[]>(sql, [tenantId, ...range, limits.auditPageMax + 1])).map(sealedOf);
}

/** The next entries behind a sequence and up to another, whatever is missing among them; at most `limits.auditPageMax`. */
export async function readBehind(
  em: EntityManager,
  tenantId: string,
  { behind, upTo }: { readonly behind: number; readonly upTo: number },
): Promise<readonly SealedEntry[]> {
  const sql = `select ${columns} from audit_entry where tenant_id = ? and sequence > ? and sequence <= ?
    order by audit_entry.sequence, audit_entry.id limit ?`;
  return (await em.execute<Row[]>(sql, [tenantId, behind, upTo, limits.auditPageMax])).map(sealedOf);
}

function sealedOf(row: Row): SealedEntry {
  const { sequence, previousHash, hash } = row;
  return { ...entryOf(row), sequence: Number(sequence), previousHash, hash: hash ?? "" };
}

function entryOf(row: Row): UnsealedEntry {
  const { tenantId, id, at, actorKind, actorId, actorName, operation, subject, outcome, detail } = row;
  const actor = { kind: actorKind, id: actorId, name: actorName };
  return {
    tenantId,
    id,
    at,
    actor,
    operation,
    subject,
    outcome,
    detail: detail === null ? null : (JSON.parse(detail) as Json),
  };
}
