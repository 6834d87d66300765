import type { EntityManager } from "@mikro-orm/postgresql";
import type { Pool } from "pg";
import { limits } from "../core/limits.ts";
import { isLockTimeout } from "../core/lock-timeout.ts";
import type { Orm } from "./orm.ts";
import { inTenant } from "./request-orm.ts";

/** A statement whose text never changes; its `?` are its values, in order. A `?` of another meaning can't be in it. */
export interface Statement {
  /** What each connection knows it by, once it has prepared it. */
  readonly name: string;
  readonly sql: string;
  /** The same with PostgreSQL's own placeholders. */
  readonly text: string;
}

export function statement(name: string, sql: string): Statement {
  let count = 0;
  return { name, sql, text: sql.replaceAll("?", () => `$${++count}`) };
}

/** Runs a statement. Values are texts, numbers, booleans and null; JSON and lists go as JSON's text. */
export type Execute = <Row>(statement: Statement, values: readonly unknown[]) => Promise<Row[]>;

/** In the transaction of the EntityManager, or outside of any as that does it. */
export function executeIn(em: EntityManager): Execute {
  return <Row>({ sql }: Statement, values: readonly unknown[]) => em.execute<Row[]>(sql, [...values]);
}

/**
 * Each statement a transaction of its own, prepared once per connection: PostgreSQL then neither parses nor plans it again.
 * @param tenantId Whose rows it sees, where the database is opened for requests.
 * @param answerMs Without an answer by then its connection counts as broken: the other end may be gone without a word.
 */
export function executePrepared(orm: Orm, tenantId: string, answerMs: number = limits.statementMs): Execute {
  return async <Row>({ name, text }: Statement, values: readonly unknown[]) => {
    const pool = (await orm.em.getConnection().getNativeClient()) as Pool;
    const client = await inTenant(tenantId, () => pool.connect());
    const query = { text, values: [...values], query_timeout: answerMs };
    let isBroken = false;
    try {
      const { rows } = await client.query({ name, ...query }).catch((error: unknown) => {
        if (!isOutdated(error)) throw error;
        isBroken = true;
        return client.query(query);
      });
      return rows as Row[];
    } catch (error) {
      // Not for the next one: PostgreSQL tells that it ends a connection some time before it does.
      isBroken = !isRefusal(error) && !isLockTimeout(error);
      throw error;
    } finally {
      client.release(isBroken);
    }
  };
}

/**
 * Whether the connection prepared the statement before a table got another column, by the migration of a newer node. PostgreSQL finds that out
 * before it does anything; the same is done unprepared, and the next connection prepares it anew. The message is in the database's language.
 */
function isOutdated(error: unknown): boolean {
  return error instanceof Error && "routine" in error && error.routine === "RevalidateCachedQuery";
}

/** Classes of SQLSTATE by which a statement is refused for what it holds, or for what it met: nothing of it has happened. */
const refusals = new Set(["21", "22", "23", "40", "42", "53", "54", "55"]);

/**
 * Whether the database refused the statement, rather than being away: then nobody knows whether it has happened. A lock that somebody held is no
 * reason to refuse: no row of the statement need be to blame, and each alone would wait as long again.
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error && "code" in error && typeof error.code === "string")) return false;
  return error.code.length === 5 && !isLockTimeout(error) && refusals.has(error.code.slice(0, 2));
}
