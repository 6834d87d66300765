import type { Orm } from "./orm.ts";
import { raiseTenantWall } from "./tenant-wall.ts";

/** Any number, the same on every node: who holds it migrates, the others wait. */
const migrationLock = 7_264_021_001;

export interface Migrated {
  /** Whether the wall between tenants stands in the database, too. */
  readonly isWalled: boolean;
}

/**
 * Applies what is missing of `migrations/`, and walls the tables that it made. Safe when several nodes start at once: one migrates, the rest
 * find it done.
 */
export function migrate(orm: Orm): Promise<Migrated> {
  return orm.em.fork().transactional(async (em) => {
    // Neither the node that migrates nor those who wait for it have a bound: a large table takes its time.
    await em.execute("set local lock_timeout = 0");
    await em.execute("select pg_advisory_xact_lock(?)", [migrationLock]);
    await orm.migrator.up({ transaction: em.getTransactionContext() });
    return { isWalled: await raiseTenantWall(em) };
  });
}
