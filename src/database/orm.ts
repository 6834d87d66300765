import path from "node:path";
import { Migrator } from "@mikro-orm/migrations";
import { defineConfig, type EntityClass, MikroORM } from "@mikro-orm/postgresql";

export type Orm = MikroORM;

/** Where the database is: a URL, or the directory of a Unix socket with a database's name. */
export type DatabaseAddress =
  | { readonly url: string }
  | { readonly socketDirectory: string; readonly user: string; readonly database: string };

/** What a plain `pg` client needs to reach the same database. */
export function clientConfig(address: DatabaseAddress): Record<string, string> {
  return "url" in address
    ? { connectionString: address.url }
    : { host: address.socketDirectory, user: address.user, database: address.database };
}

/** MikroORM's configuration for an address: schema, migrations and reads go through it; the journal has a connection of its own. */
export function ormConfig(address: DatabaseAddress, entities: EntityClass<object>[]) {
  return defineConfig({
    entities,
    ...("url" in address
      ? // MikroORM reads no more of a URL than its host and path: what follows (`?sslmode=require`, `?host=/a/socket`) only the driver knows.
        { clientUrl: address.url, driverOptions: clientConfig(address) }
      : { host: address.socketDirectory, user: address.user, dbName: address.database }),
    pool: { min: 0, max: 10 },
    extensions: [Migrator],
    migrations: {
      path: path.join(import.meta.dirname, "../../migrations"),
      emit: "ts",
      glob: "!(*.d).{js,ts}",
      silent: true,
      snapshot: true,
      snapshotName: ".snapshot-riposte",
      transactional: true,
      allOrNothing: true,
    },
    forceUtcTimezone: true,
  });
}

/** Opens the database with the tables of `entities`; connects at the first query. */
export function openOrm(address: DatabaseAddress, entities: EntityClass<object>[]): Promise<Orm> {
  return MikroORM.init(ormConfig(address, entities));
}
