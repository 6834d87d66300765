import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import { type ChainEnd, chainBeginning, hashEntry, sequenceMax } from "./chain.ts";
import { type ChainHead, type ChainKey, readHead, writeHead } from "./chain-head.ts";
import { readUnsealed, type UnsealedEntry } from "./chain-rows.ts";

export interface SealPorts {
  /** A fork of its own for each transaction. */
  readonly em: () => EntityManager;
  readonly key: ChainKey;
  /** A chain's end is not what the server has sealed: somebody has changed the tables. Told once for each time, by whoever seals next. */
  readonly onBroken?: (tenantId: string, sequence: number) => void;
}

/** `left` where another node is at it, and this one was told not to wait. */
export type Sealing = "sealed" | "left";

/**
 * Gives all entries of a tenant that are committed their places in its chain: numbers without gaps, in the order of their ids as far as they are seen at
 * once, and hashes over what the database answers. One at a time in a tenant, wherever it is called.
 * @param patience `wait` for another that is at it, or `skip` the tenant.
 * @throws StateFailure `secrets_key_missing`.
 */
export async function sealEntries(ports: SealPorts, tenantId: string, patience: "wait" | "skip"): Promise<Sealing> {
  for (;;) {
    const [unsealed] = await ports.em().execute(anyUnsealedSql, [tenantId]);
    if (!unsealed) return "sealed";
    const count = await ports.em().transactional(async (em) => {
      if (!(await isLocked(em, tenantId, patience))) return undefined;
      return sealSome(em, ports, tenantId);
    });
    if (count === undefined) return "left";
    if (count < limits.auditPageMax) return "sealed";
  }
}

const anyUnsealedSql = "select 1 from audit_entry where tenant_id = ? and sequence is null limit 1";

async function isLocked(em: EntityManager, tenantId: string, patience: "wait" | "skip"): Promise<boolean> {
  const name = [`audit_chain ${tenantId}`];
  if (patience === "wait") {
    await em.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", name);
    return true;
  }
  const sql = `select pg_try_advisory_xact_lock(hashtextextended(?, 0)) as "isOurs"`;
  const [row] = await em.execute<{ isOurs: boolean }[]>(sql, name);
  return row?.isOurs === true;
}

async function sealSome(em: EntityManager, ports: SealPorts, tenantId: string): Promise<number> {
  const entries = await readUnsealed(em, tenantId);
  if (entries.length === 0) return 0;
  const before = await endOf(em, ports, tenantId);
  const { places, end } = placesOf(entries, before);
  await em.execute(placeSql, [JSON.stringify(places), tenantId]);
  const { brokenAt } = before;
  await writeHead(em, ports.key, { tenantId, head: { ...end, ...(brokenAt === undefined ? {} : { brokenAt }) } });
  return entries.length;
}

// By the primary key: as an expression, the tenant makes no planner without statistics read all that is the tenant's.
const placeSql = `
update audit_entry set sequence = p.sequence, previous_hash = p."previousHash", hash = p.hash
from jsonb_to_recordset(?::jsonb) as p(id uuid, sequence bigint, "previousHash" text, hash text)
where audit_entry.id = p.id and audit_entry.tenant_id::text = ?`;

interface Place {
  readonly id: string;
  readonly sequence: number;
  readonly previousHash: string | null;
  readonly hash: string;
}

function placesOf(entries: readonly UnsealedEntry[], before: ChainEnd): { places: readonly Place[]; end: ChainEnd } {
  let end = before;
  const places = entries.map((entry) => {
    const place = { sequence: end.sequence + 1, previousHash: end.hash };
    const hash = hashEntry({ ...entry, ...place });
    end = { sequence: place.sequence, hash };
    return { id: entry.id, ...place, hash };
  });
  return { places, end: { sequence: end.sequence, hash: end.hash } };
}

/** Where the chain goes on. Where its head can't be read, or is not its end, it goes on behind its last row, and says for good that it was broken. */
async function endOf(em: EntityManager, { key, onBroken }: SealPorts, tenantId: string): Promise<ChainHead> {
  const head = await readHead(em, key, tenantId);
  const last = await lastRow(em, tenantId);
  if (head === "none" && last.sequence === 0) return chainBeginning;
  const isEnd = head !== "none" && head !== "unreadable";
  // Where somebody else has numbered rows behind the end, that is where it is broken.
  if (isEnd && head.sequence >= last.sequence) return head;
  const brokenAt = isEnd ? head.sequence + 1 : Math.max(last.sequence, 1);
  onBroken?.(tenantId, brokenAt);
  return { brokenAt, ...(isEnd ? head : {}), ...last };
}

/** The highest number that is given in the tenant's chain, and its hash. */
async function lastRow(em: EntityManager, tenantId: string): Promise<ChainEnd> {
  const sql = `select sequence::text as sequence, hash from audit_entry where tenant_id = ? and sequence < ?
    order by audit_entry.sequence desc limit 1`;
  const [row] = await em.execute<{ sequence: string; hash: string }[]>(sql, [tenantId, sequenceMax]);
  return row ? { sequence: Number(row.sequence), hash: row.hash } : chainBeginning;
}
