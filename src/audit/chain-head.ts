import type { EntityManager } from "@mikro-orm/postgresql";
import { StateFailure } from "../core/failures.ts";
import type { ChainEnd } from "./chain.ts";

/** What seals with the server's key; `secrets/seal.ts` has one. */
export interface ChainKey {
  seal(plaintext: string, sealedFor: { readonly tenantId: string; readonly purpose: string }): Promise<string>;
  /** @throws StateFailure, `secrets_key_missing` where this server lacks the key. */
  open(sealed: string, sealedFor: { readonly tenantId: string; readonly purpose: string }): Promise<string>;
}

/** Where a chain ends, as the server itself has written it down. */
export interface ChainHead extends ChainEnd {
  /** Where the end could not be vouched for once: the head was changed or taken away, and the chain went on from there. It stays. */
  readonly brokenAt?: number;
}

interface Row {
  readonly sequence: string;
  readonly hash: string;
  readonly sealed: string;
}

/**
 * The chain's head, as its seal says.
 * @returns `none` where there is no row, `unreadable` for one that nobody with the key wrote, or whose columns say otherwise.
 * @throws StateFailure `secrets_key_missing`: nothing can be said of it here.
 */
export async function readHead(
  em: EntityManager,
  key: ChainKey,
  tenantId: string,
): Promise<ChainHead | "none" | "unreadable"> {
  const sql = "select sequence::text as sequence, hash, sealed from audit_chain where tenant_id = ?";
  const [row] = await em.execute<Row[]>(sql, [tenantId]);
  if (!row) return "none";
  try {
    const head = JSON.parse(await key.open(row.sealed, purposeOf(tenantId))) as ChainHead;
    return head.sequence === Number(row.sequence) && head.hash === row.hash ? head : "unreadable";
  } catch (error) {
    if (error instanceof StateFailure && error.code === "secrets_key_missing") throw error;
    return "unreadable";
  }
}

export async function writeHead(
  em: EntityManager,
  key: ChainKey,
  at: { tenantId: string; head: ChainHead },
): Promise<void> {
  const { tenantId, head } = at;
  const sealed = await key.seal(JSON.stringify(head), purposeOf(tenantId));
  await em.execute(
    `insert into audit_chain (tenant_id, sequence, hash, sealed) values (?, ?, ?, ?)
    on conflict (tenant_id) do update set sequence = excluded.sequence, hash = excluded.hash, sealed = excluded.sealed`,
    [tenantId, head.sequence, head.hash, sealed],
  );
}

function purposeOf(tenantId: string) {
  return { tenantId, purpose: "audit-chain" };
}
