import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import type { Orm } from "../../src/database/orm.ts";
import { behindWall, enterTenant, openRequestOrm } from "../../src/database/request-orm.ts";
import { entities } from "../../src/entities.ts";
import { Variable } from "../../src/secrets/entities.ts";
import { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let requests: Orm;
const tenants = [newId(), newId(), newId()];

beforeAll(async () => {
  database = await createTestDatabase();
  requests = await openRequestOrm(database.address, entities);
  const em = database.orm.em.fork();
  for (const id of tenants) {
    em.create(Tenant, { id, name: `tenant ${id}` });
    await em.flush();
    em.create(Variable, { tenantId: id, name: "mine", value: id });
    await em.flush();
  }
});
afterAll(async () => {
  await requests?.close(true);
  await database?.close();
});

type Em = ReturnType<typeof behindWall>;
const seenBy = async (em: Em) => (await em.find(Variable, {}, { disableIdentityMap: true })).map((row) => row.value);

/** What a request may do to a connection before somebody else gets it. Answers the tenants that it saw. */
const requestKinds: readonly ((em: Em, tenantId: string) => Promise<string[]>)[] = [
  (em) => seenBy(em),
  // It breaks in its midst.
  (em) =>
    em.transactional(async (inner) => [...(await seenBy(inner)), ...(await inner.execute<string[]>("select 1 / 0"))]),
  // It breaks, and goes on as if it had not.
  (em) =>
    em.transactional(async (inner) => {
      await inner.execute("select nonsense").catch(() => undefined);
      return seenBy(inner);
    }),
  // It looks at the part of another tenant, as one that is made is, and is undone.
  (em, tenantId) =>
    em.transactional(async (inner) => {
      await enterTenant(inner, tenants.find((id) => id !== tenantId)!);
      throw new Error("undone");
    }),
  // The same, and it is kept.
  async (em, tenantId) => {
    await em.transactional((inner) => enterTenant(inner, tenants.find((id) => id !== tenantId)!));
    return seenBy(em);
  },
  // Its own connection is ended under it.
  (em) =>
    em.transactional(async (inner) => {
      await inner.execute("select pg_terminate_backend(pg_backend_pid())").catch(() => undefined);
      return seenBy(inner);
    }),
  // It is too slow.
  (em) =>
    em.transactional(async (inner) => {
      await inner.execute("set local statement_timeout = 1");
      await inner.execute("select pg_sleep(10)");
      return seenBy(inner);
    }),
  // Through a fork, too.
  async (em) => [...(await seenBy(em)), ...(await seenBy(em.fork()))],
];

/** 50 at a time, each a request of its own. */
async function storm(count: number): Promise<{ strange: string[]; seen: number; failed: number }> {
  const strange: string[] = [];
  let [seen, failed, next] = [0, 0, 0];
  const worker = async () => {
    while (next < count) {
      const index = next++;
      const tenantId = tenants[index % tenants.length]!;
      const kind = requestKinds[Math.floor(index / tenants.length) % requestKinds.length]!;
      try {
        for (const value of await kind(behindWall(requests.em.fork(), tenantId), tenantId)) {
          seen += 1;
          if (value !== tenantId) strange.push(`${index}: ${tenantId} saw ${value}`);
        }
      } catch {
        failed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 50 }, worker));
  return { strange, seen, failed };
}

describe("the wall between tenants, while fifty requests of three tenants break in every way at once,", () => {
  test("shows nobody a row of another, then or afterwards", async () => {
    const { strange, seen, failed } = await storm(1_200);
    expect(strange).toEqual([]);
    expect(seen).toBeGreaterThan(500);
    expect(failed).toBeGreaterThan(500);
    for (const tenantId of [...tenants, ...tenants]) {
      expect(await seenBy(behindWall(requests.em.fork(), tenantId))).toEqual([tenantId]);
    }
    expect(await seenBy(behindWall(requests.em.fork(), undefined))).toEqual([]);
  });

  test("stands while every connection is ended from outside, again and again", async () => {
    let isOver = false;
    const killer = (async () => {
      while (!isOver) {
        await database.orm.em
          .fork()
          .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name is distinct from 'keep'",
          )
          .catch(() => undefined);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const { strange } = await storm(900);
    isOver = true;
    await killer;
    expect(strange).toEqual([]);
    for (const tenantId of tenants) {
      const em = () => behindWall(requests.em.fork(), tenantId);
      await expect.poll(() => seenBy(em()).catch(() => [])).toEqual([tenantId]);
    }
  });
});
