import { lineOf, sequenceMax } from "./chain.ts";
import { readBehind } from "./chain-rows.ts";
import { type SealPorts, sealEntries } from "./seal-entries.ts";

/** The last line of an export: how much there is, so that one that was cut off is seen. */
export interface ExportEnd {
  readonly end: {
    readonly tenantId: string;
    /** Sequence and hash of the last entry; 0 and null where there is none. */
    readonly sequence: number;
    readonly hash: string | null;
  };
}

/**
 * A tenant's whole trail as JSON lines: an entry in each, as it is hashed, in the order of the chain, broken or not; then the end. What is not sealed
 * yet is sealed first, and what is sealed meanwhile is not in it. A page is read when the one before was taken.
 * @throws StateFailure `secrets_key_missing`, with the first line.
 */
export async function* exportEntries(ports: SealPorts, tenantId: string): AsyncGenerator<string> {
  await sealEntries(ports, tenantId, "wait");
  const upTo = await lastSequence(ports, tenantId);
  let last: ExportEnd["end"] = { tenantId, sequence: 0, hash: null };
  for (;;) {
    const page = await readBehind(ports.em(), tenantId, { behind: last.sequence, upTo });
    const [lastRow] = page.slice(-1);
    if (!lastRow) break;
    yield page.map((entry) => `${lineOf(entry)}\n`).join("");
    last = { tenantId, sequence: lastRow.sequence, hash: lastRow.hash };
  }
  yield `${JSON.stringify({ end: last } satisfies ExportEnd)}\n`;
}

async function lastSequence({ em }: SealPorts, tenantId: string): Promise<number> {
  const sql = "select max(sequence)::text as last from audit_entry where tenant_id = ? and sequence <= ?";
  const [row] = await em().execute<{ last: string | null }[]>(sql, [tenantId, sequenceMax]);
  return Number(row?.last ?? 0);
}
