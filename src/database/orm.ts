import path from "node:path";
import { Migrator } from "@mikro-orm/migrations";
import { defineConfig, type EntityClass, MikroORM } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import { clientConfig, type DatabaseAddress } from "./address.ts";
import { releaseBroken } from "./broken-clients.ts";

export type Orm = MikroORM;

/** MikroORM's configuration for an address: schema, migrations and reads go through it; the journal has a connection of its own. */
export function ormConfig(address: DatabaseAddress, entities: EntityClass<object>[]) {
  return defineConfig({
    entities,
    ...("url" in address
      ? { clientUrl: address.url }
      : { host: address.socketDirectory, user: address.user, dbName: address.database }),
    driverOptions: {
      // MikroORM reads no more of a URL than its host and path: what follows (`?sslmode=require`, `?host=/a/socket`) only the driver knows.
      ...("url" in address ? clientConfig(address) : {}),
      // PostgreSQL may not notice for hours that a client is gone, and keeps the rows locked that it had.
      idle_in_transaction_session_timeout: limits.transactionIdleMs,
      connectionTimeoutMillis: limits.connectionWaitMs,
      lock_timeout: limits.lockMs,
      onPoolCreated: releaseBroken,
    },
    pool: { min: 0, max: 10 },
    extensions: [Migrator],
    migrations: {
      path: path.join(import.meta.dirname, "../../migrations"),
      emit: "ts",
      glob: "!(*.d).{js,ts}",
      silent: true,
      snapshot: true,
      // It would ask the database for all its tables at the first start, and write what it finds into the sources where that differs.
      snapshotOnMigrate: false,
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
