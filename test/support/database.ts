import { randomUUID } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { clientConfig, type DatabaseAddress } from "../../src/database/address.ts";
import { type Orm, openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import { searchDatabase } from "./watched-leaks.ts";

export interface TestDatabase {
  readonly address: DatabaseAddress;
  readonly orm: Orm;
  /** Closes the pool, looks whether secrets stand in the database, and drops it, whoever is still connected. */
  close(): Promise<void>;
}

/**
 * A database of one's own with all tables and no rows: a clone of the migrated template, in about 50 ms. With
 * `{ content: "none" }` it has no tables either. Close it in `afterAll` or `afterEach`.
 */
export async function createTestDatabase(options?: { readonly content: "none" }): Promise<TestDatabase> {
  const { socketDirectory, user, templateDatabase } = inject("testServer");
  const database = `test_${randomUUID().replaceAll("-", "")}`;
  await onServer(`create database ${database} template ${options ? "template1" : templateDatabase}`);
  const address = { socketDirectory, user, database };
  const orm = await openOrm(address, entities);
  return {
    address,
    orm,
    async close() {
      await orm.close(true);
      try {
        await onDatabase(database, searchDatabase);
      } finally {
        await onServer(`drop database if exists ${database} with (force)`);
      }
    },
  };
}

async function onServer(statement: string): Promise<void> {
  await onDatabase("postgres", (client) => client.query(statement));
}

async function onDatabase(database: string, act: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const { socketDirectory, user } = inject("testServer");
  const client = new pg.Client(clientConfig({ socketDirectory, user, database }));
  await client.connect();
  try {
    await act(client);
  } finally {
    await client.end();
  }
}
