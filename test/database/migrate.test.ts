import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../src/database/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

describe("the migrations", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.close());

  test("make the tables of the entities, neither more nor less", async () => {
    const statements = (await database.orm.schema.getUpdateSchemaSQL({ wrap: false })).split("\n");
    // The wall between tenants is put around them by `migrate`, and is none of their own.
    const isOfWall = (statement: string) =>
      /^(drop policy .*"tenant_wall"|alter table .* disable row level security)/.test(statement);
    expect(statements.filter((statement) => statement !== "" && !isOfWall(statement))).toEqual([]);
  });

  test("leave nothing for `npm run migration` to add to their snapshot", async () => {
    expect(await database.orm.migrator.checkSchema()).toBe(false);
  });

  test("are found done when they run again", async () => {
    await migrate(database.orm);
    expect(await database.orm.migrator.getPending()).toEqual([]);
  });
});

describe("a database with more in it than is ours", () => {
  test("is migrated without a change of the snapshot in the sources", async () => {
    const { orm, close } = await createTestDatabase({ content: "none" });
    const snapshot = path.join(import.meta.dirname, "../../migrations/.snapshot-riposte.json");
    const before = readFileSync(snapshot, "utf8");
    try {
      await orm.em.execute("create table somebody_elses (id int primary key)");
      await migrate(orm);
      expect(await orm.migrator.getPending()).toEqual([]);
      const isSame = readFileSync(snapshot, "utf8") === before;
      if (!isSame) writeFileSync(snapshot, before);
      expect(isSame).toBe(true);
    } finally {
      await close();
    }
  });
});

describe("an empty database", () => {
  test("is migrated once when three nodes start on it at once", async () => {
    const { address, orm, close } = await createTestDatabase({ content: "none" });
    try {
      const node = path.join(import.meta.dirname, "migrating-node.ts");
      const migrating = [1, 2, 3].map(() => promisify(execFile)(process.execPath, [node, JSON.stringify(address)]));
      await Promise.all(migrating);
      const names = (await orm.migrator.getExecuted()).map(({ name }) => name);
      expect(names.length).toBeGreaterThan(0);
      expect(new Set(names).size).toBe(names.length);
      expect(await orm.migrator.getPending()).toEqual([]);
    } finally {
      await close();
    }
  });
});
