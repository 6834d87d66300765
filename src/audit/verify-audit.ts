import type { EntityManager } from "@mikro-orm/postgresql";
import { type ChainEnd, chainBeginning, followChain } from "./chain.ts";
import { readHead } from "./chain-head.ts";
import { readSealed } from "./chain-rows.ts";
import { type SealPorts, sealEntries } from "./seal-entries.ts";

export interface AuditVerification {
  readonly intact: boolean;
  /** How many entries were found intact, from the first on. */
  readonly entries: number;
  /** The first sequence that is not as it was sealed: edited, missing, or never sealed. Undefined where all are intact. */
  readonly firstBroken: number | undefined;
}

/**
 * Recomputes a tenant's whole chain, a page at a time, and compares its end with the sealed head. What is not sealed yet is sealed first.
 * @throws StateFailure `secrets_key_missing`.
 */
export async function verifyAudit(ports: SealPorts, tenantId: string): Promise<AuditVerification> {
  await sealEntries(ports, tenantId, "wait");
  let end = chainBeginning;
  for (;;) {
    const followed = await follow(ports, tenantId, end);
    if (followed.broken !== undefined) return broken(followed.broken, followed.end);
    end = followed.end;
    // The head is read after the rows: it can't be behind them, but others may have sealed more in between.
    const next = await nextSequence(ports.em(), tenantId, end.sequence);
    const head = await readHead(ports.em(), ports.key, tenantId);
    if (head === "unreadable" || (head === "none" && end.sequence > 0)) return broken(Math.max(end.sequence, 1), end);
    const said = head === "none" ? chainBeginning : head;
    if (next === end.sequence + 1 && said.sequence >= next) continue;
    if (said.sequence > end.sequence) return broken(end.sequence + 1, end);
    if (next !== undefined) return broken(next, end);
    if (said.sequence < end.sequence) return broken(said.sequence + 1, end);
    if (said.hash !== end.hash) return broken(end.sequence, end);
    if (head !== "none" && head.brokenAt !== undefined) return broken(head.brokenAt, end);
    return { intact: true, entries: end.sequence, firstBroken: undefined };
  }
}

interface Followed {
  readonly end: ChainEnd;
  readonly broken?: number;
}

/** As far as the rows go. */
async function follow({ em }: SealPorts, tenantId: string, from: ChainEnd): Promise<Followed> {
  let end = from;
  for (;;) {
    const page = await readSealed(em(), tenantId, end.sequence);
    if (page.length === 0) return { end };
    for (const entry of page) {
      const next = followChain(end, entry);
      if ("broken" in next) return { end, broken: next.broken };
      end = next;
    }
  }
}

function broken(firstBroken: number, end: ChainEnd): AuditVerification {
  return { intact: false, entries: Math.min(end.sequence, Math.max(firstBroken - 1, 0)), firstBroken };
}

/** The lowest number behind this one. */
async function nextSequence(em: EntityManager, tenantId: string, behind: number): Promise<number | undefined> {
  const sql = "select min(sequence)::text as sequence from audit_entry where tenant_id = ? and sequence > ?";
  const [row] = await em.execute<{ sequence: string | null }[]>(sql, [tenantId, behind]);
  return row?.sequence == null ? undefined : Number(row.sequence);
}
