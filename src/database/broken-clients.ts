import type { Pool, PoolClient } from "pg";

/**
 * Gives a connection that broke back to its pool, whoever holds it. The ORM gives that of a transaction back with the commit or the
 * rollback, and only if that succeeds, which it can't then: the pool would have a place less for good, and soon none.
 */
export function releaseBroken(pool: Pool): void {
  const held = new WeakSet<PoolClient>();
  pool.on("acquire", (client) => held.add(client));
  pool.on("release", (_error, client) => held.delete(client));
  pool.on("connect", (client) => {
    client.once("end", () => {
      if (!held.has(client)) return;
      client.release(true);
      // Whoever holds it may give it back all the same.
      client.release = () => undefined;
    });
  });
}
