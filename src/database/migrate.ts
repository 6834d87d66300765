import type { Orm } from "./orm.ts";

/** Any number, the same on every node: who holds it migrates, the others wait. */
const migrationLock = 7_264_021_001;

/** Applies what is missing of `migrations/`. Safe when several nodes start at once: one migrates, the rest find it done. */
export async function migrate(orm: Orm): Promise<void> {
  await orm.em.fork().transactional(async (em) => {
    await em.execute("select pg_advisory_xact_lock(?)", [migrationLock]);
    await orm.migrator.up();
  });
}
