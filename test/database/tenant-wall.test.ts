import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { migrate } from "../../src/database/migrate.ts";
import type { Orm } from "../../src/database/orm.ts";
import { behindWall, enterTenant, openRequestOrm } from "../../src/database/request-orm.ts";
import { entities } from "../../src/entities.ts";
import { Variable } from "../../src/secrets/entities.ts";
import { ApiToken, Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let requests: Orm;
const [ours, theirs] = [newId(), newId()];

beforeAll(async () => {
  database = await createTestDatabase();
  requests = await openRequestOrm(database.address, entities);
  const em = database.orm.em.fork();
  for (const [id, name] of [
    [ours, "ours"],
    [theirs, "theirs"],
  ] as const) {
    em.create(Tenant, { id, name });
    await em.flush();
    em.create(ApiToken, { tenantId: id, name, hash: id.replaceAll("-", "").repeat(2), roles: [] });
    em.create(Variable, { tenantId: id, name, value: name });
    await em.flush();
  }
});
afterAll(async () => {
  await requests?.close(true);
  await database?.close();
});

function scoped(tenantId: string | undefined) {
  return behindWall(requests.em.fork(), tenantId);
}

const tenantTables = `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and a.attname = 'tenant_id'`;

describe("the wall between tenants", () => {
  test("lets a query that forgets its tenant see that of its request only", async () => {
    expect((await scoped(ours).find(Variable, {})).map(({ name }) => name)).toEqual(["ours"]);
    expect((await scoped(ours).find(Tenant, {})).map(({ name }) => name)).toEqual(["ours"]);
    expect(await scoped(theirs).count(ApiToken, {})).toBe(1);
    expect(await scoped(ours).execute("select name from variable")).toEqual([{ name: "ours" }]);
  });

  test("shows nothing to a request that is nobody's, nor to a statement that goes another way", async () => {
    expect(await scoped(undefined).find(Variable, {})).toEqual([]);
    expect(await requests.em.fork().find(Variable, {})).toEqual([]);
    expect(await requests.em.fork().find(Tenant, {})).toEqual([]);
  });

  test("holds within transactions, their forks and after them", async () => {
    const em = scoped(ours);
    await em.transactional(async (inner) => {
      expect(await inner.count(Variable, {})).toBe(1);
      expect(await inner.fork().count(Variable, {})).toBe(1);
    });
    expect(await em.fork().count(Variable, {})).toBe(1);
    await expect(
      em.transactional(async (inner) => {
        await enterTenant(inner, theirs);
        expect((await inner.find(Variable, {})).map(({ name }) => name)).toEqual(["theirs"]);
        throw new Error("undone");
      }),
    ).rejects.toThrow("undone");
    for (let turn = 0; turn < 20; turn += 1)
      expect((await scoped(ours).find(Variable, {})).map(({ name }) => name)).toEqual(["ours"]);
  });

  test("keeps a pooled connection from remembering whom it served before", async () => {
    const asked = Array.from({ length: 200 }, (_, index) => [ours, theirs, undefined][index % 3]);
    const found = await Promise.all(
      asked.map(async (tenantId) => (await scoped(tenantId).find(Variable, {})).map((row) => row.tenantId)),
    );
    expect(found).toEqual(asked.map((tenantId) => (tenantId === undefined ? [] : [tenantId])));
  });

  test("refuses to write into another tenant's part", async () => {
    const row = { id: newId(), tenantId: theirs, name: "smuggled", value: "x" };
    const em = scoped(ours);
    em.create(Variable, row);
    await expect(em.flush()).rejects.toThrow(/row-level security/);
    expect(await scoped(ours).nativeUpdate(Variable, { tenantId: theirs }, { value: "changed" })).toBe(0);
    expect(await scoped(ours).nativeDelete(Variable, { tenantId: theirs })).toBe(0);
    await expect(scoped(ours).nativeUpdate(Variable, {}, { tenantId: theirs })).rejects.toThrow(/row-level security/);
    expect(await database.orm.em.fork().count(Variable, { value: "theirs" })).toBe(1);
  });

  test("stands around every table that belongs to tenants", async () => {
    const tables = await database.orm.em.execute<{ name: string }[]>(tenantTables);
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const [row] = await scoped(ours).execute<{ count: number }[]>(
        `select count(*)::int from "${name}" where tenant_id <> ?`,
        [ours],
      );
      expect([name, row?.count]).toEqual([name, 0]);
      const [open] = await database.orm.em.execute<{ name: string }[]>(
        `select relname as name from pg_class where relname = ? and not relrowsecurity`,
        [name],
      );
      expect(open).toBeUndefined();
    }
  });

  test("lets requests at no other table", async () => {
    const all = await database.orm.em.execute<{ name: string }[]>(
      `select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and relname <> 'tenant'
         and relname not in (select name from (${tenantTables}) as t)`,
    );
    expect(all.length).toBeGreaterThan(0);
    for (const { name } of all)
      await expect(scoped(ours).execute(`select * from "${name}"`)).rejects.toThrow(/permission denied/);
  });

  test("goes up around a table of a later version when that version starts", async () => {
    await database.orm.em.execute("create table later (tenant_id uuid not null, secret text not null)");
    await database.orm.em.execute("insert into later values (?, 'a'), (?, 'b')", [ours, theirs]);
    await expect(scoped(ours).execute("select secret from later")).rejects.toThrow(/permission denied/);
    expect(await migrate(database.orm)).toEqual({ isWalled: true });
    expect(await scoped(ours).execute("select secret from later")).toEqual([{ secret: "a" }]);
    await database.orm.em.execute("drop table later");
  });

  test("lets requests only add to what is only added to", async () => {
    const rights = `select c.relname as name, string_agg(lower(given.privilege_type), ', ' order by given.privilege_type) as rights
      from pg_class c, aclexplode(c.relacl) given
      where c.relnamespace = current_schema()::regnamespace and given.grantee = 'riposte_requests'::regrole group by 1`;
    const given = await database.orm.em.execute<{ name: string; rights: string }[]>(rights);
    const tables = await database.orm.em.execute<{ name: string }[]>(tenantTables);
    expect(given.map(({ name }) => name).toSorted()).toEqual([...tables.map(({ name }) => name), "tenant"].toSorted());
    const fewer = given.filter((row) => row.rights !== "delete, insert, select, update");
    expect(Object.fromEntries(fewer.map((row) => [row.name, row.rights]))).toEqual({
      action_file: "insert, select",
      audit_chain: "select",
      audit_entry: "insert, select",
      playbook_version: "insert, select",
      run_event: "select",
      trigger_event: "insert, select",
    });
    for (const sql of ["update run_event set body = '{}'", "delete from run_event", "delete from audit_entry"])
      await expect(scoped(ours).execute(sql)).rejects.toThrow(/permission denied/);
  });

  test("takes back what an earlier version let requests do", async () => {
    await database.orm.em.execute("grant select, insert, update, delete on run_event to riposte_requests");
    await scoped(ours).execute("delete from run_event");
    expect(await migrate(database.orm)).toEqual({ isWalled: true });
    await expect(scoped(ours).execute("delete from run_event")).rejects.toThrow(/permission denied/);
    expect(await scoped(ours).execute("select * from run_event")).toEqual([]);
  });

  test("says so where the database's user may not raise it", async () => {
    await database.orm.em.execute("create table open_table (tenant_id uuid not null)");
    const role = `poor_${newId().replaceAll("-", "")}`;
    await database.orm.em.execute(`create role ${role} login`);
    await database.orm.em.execute(
      `grant usage on schema public to ${role}; grant all on all tables in schema public to ${role}`,
    );
    const { address } = database;
    if (!("socketDirectory" in address)) throw new Error("The test database has a socket.");
    const { openOrm } = await import("../../src/database/orm.ts");
    const poor = await openOrm({ ...address, user: role }, entities);
    try {
      expect(await migrate(poor)).toEqual({ isWalled: false });
    } finally {
      await poor.close(true);
      await database.orm.em.execute("drop table open_table");
      await database.orm.em.execute(`drop owned by ${role}; drop role ${role}`);
    }
  });
});
