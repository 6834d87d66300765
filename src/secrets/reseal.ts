import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Sealer } from "./seal.ts";

/** Where sealed texts stand: of this table, by its primary key. Names are of the schema, never of users. */
export interface SealedColumn {
  readonly table: string;
  readonly key: string;
  readonly column: string;
  /** Column with the id of the key, where there is one. */
  readonly keyId?: string;
}

export interface Resealed {
  /** How many were encrypted anew with the key of now. */
  readonly count: number;
  /** How many could not be opened: their key is missing, or they were changed. They are left as they are. */
  readonly unreadable: number;
}

interface SealedRow {
  readonly id: string;
  readonly sealed: string;
}

/**
 * Encrypts with the key of now what is not encrypted with it, while servers go on working: a text that changes meanwhile stays as it was changed.
 */
export async function resealColumn(em: EntityManager, sealer: Sealer, place: SealedColumn): Promise<Resealed> {
  let [count, unreadable] = [0, 0];
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const rows = await em.execute<SealedRow[]>(pageSql(place), [after, sealer.currentBeginning]);
    const last = rows.at(-1);
    if (!last) return { count, unreadable };
    after = last.id;
    const resealed = await Promise.all(rows.map((row) => resealRow(sealer, row)));
    const readable = resealed.filter((row) => row !== undefined);
    unreadable += rows.length - readable.length;
    const changed = await em.execute<unknown[]>(
      updateSql(place),
      [JSON.stringify(readable), sealer.keyId].slice(0, place.keyId ? 2 : 1),
    );
    count += changed.length;
  }
}

async function resealRow(sealer: Sealer, { id, sealed }: SealedRow) {
  try {
    return { id, sealed, resealed: await sealer.reseal(sealed) };
  } catch {
    return undefined;
  }
}

function pageSql({ table, key, column }: SealedColumn): string {
  return `select "${key}" as id, "${column}" as sealed from "${table}"
    where "${key}" > ? and "${column}" is not null and not starts_with("${column}", ?) order by "${key}" limit ${limits.resealRowsMax}`;
}

function updateSql({ table, key, column, keyId }: SealedColumn): string {
  return `update "${table}" as t set "${column}" = r.resealed${keyId === undefined ? "" : `, "${keyId}" = k.id`}
    from json_to_recordset(?::json) as r(id uuid, sealed text, resealed text)${keyId === undefined ? "" : ", (select ?::text as id) as k"}
    where t."${key}" = r.id and t."${column}" = r.sealed returning 1`;
}
