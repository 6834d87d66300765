import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import type { Orm } from "../../src/database/orm.ts";
import { behindWall, openRequestOrm } from "../../src/database/request-orm.ts";
import { executePrepared, isRefusal, statement } from "../../src/database/statement.ts";
import { entities } from "../../src/entities.ts";
import { createErrorMask } from "../../src/graphql/errors.ts";
import { Variable } from "../../src/secrets/entities.ts";
import { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let requests: Orm;
const [busy, other] = [newId(), newId()];

beforeAll(async () => {
  database = await createTestDatabase();
  const em = database.orm.em.fork();
  for (const id of [busy, other]) {
    em.create(Tenant, { id, name: `tenant ${id}` });
    await em.flush();
    em.create(Variable, { tenantId: id, name: "contested", value: "before" });
    await em.flush();
  }
});
beforeEach(async () => {
  // As in the product, one is half of the other.
  requests = await openRequestOrm(database.address, entities, { connectionWaitMs: 4_000, requestLockMs: 2_000 });
});
afterEach(() => requests.close(true));
afterAll(() => database.close());

/** While somebody's session holds the variables of the busy tenant, as one of psql would. */
async function whileHeld(work: () => Promise<void>): Promise<void> {
  const em = database.orm.em.fork();
  await em.begin();
  await em.execute("select from variable where tenant_id = ? for update", [busy]);
  try {
    await work();
  } finally {
    await em.rollback();
  }
}

const em = (tenantId: string) => behindWall(requests.em.fork(), tenantId);
const change = (tenantId: string) =>
  em(tenantId).transactional((inner) => inner.nativeUpdate(Variable, { name: "contested" }, { value: "after" }));
const mask = createErrorMask(silentLog);
/** What callers are told. */
const told = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => `${mask(error).extensions["code"]}: ${mask(error).message}`,
  );

const locked = "UNAVAILABLE: Somebody else holds what this has to change; try again.";
const full = "UNAVAILABLE: The database is too busy at the moment; try again.";

describe("while somebody holds a row of a tenant, and its requests wait for it,", () => {
  test("another tenant is answered, the fifty are told, and afterwards all is as before", async () => {
    await whileHeld(async () => {
      let answered = 0;
      const flood = Array.from({ length: 50 }, () => told(change(busy)).finally(() => (answered += 1)));
      for (let turn = 0; turn < 5; turn += 1) expect(await change(other)).toBe(1);
      // None of the fifty had to end for that.
      expect(answered).toBe(0);
      const said = await Promise.all(flood);
      expect(new Set(said)).toEqual(new Set([locked, full]));
      expect(said.filter((text) => text === locked).length).toBeGreaterThanOrEqual(8);
    });
    expect(await Promise.all(Array.from({ length: 50 }, () => told(change(busy))))).toEqual(Array(50).fill("done"));
  });

  test("another request of the tenant is answered when the first of them have been told", async () => {
    await whileHeld(async () => {
      const flood = Array.from({ length: 50 }, () => told(change(busy)));
      await Promise.race(flood);
      expect(await em(busy).count(Variable, {})).toBe(1);
      await Promise.all(flood);
    });
  });

  test("none of its connections is lost", async () => {
    await whileHeld(async () => void (await Promise.all(Array.from({ length: 12 }, () => told(change(busy))))));
    // As many at once as the tenant may have: each holds its connection until all of them have one.
    let [holding, { promise: all, resolve }] = [0, Promise.withResolvers<void>()];
    const hold = () =>
      em(busy).transactional(async (inner) => {
        await inner.execute("select 1");
        if (++holding === 8) resolve();
        await all;
      });
    await Promise.all(Array.from({ length: 8 }, hold));
  });
});

describe("a prepared statement that waits for a lock", () => {
  test("is given up as one that nothing was wrong with, and keeps its connection", async () => {
    const run = executePrepared(requests, busy);
    const take = statement(
      "test-take",
      "update variable set value = ? where name = 'contested' returning pg_backend_pid() as pid",
    );
    const [before] = await run<{ pid: number }>(take, ["mine"]);
    await whileHeld(async () => {
      const error = await run(take, ["mine"]).catch((thrown: unknown) => thrown);
      expect([(error as { code?: string }).code, isRefusal(error)]).toEqual(["55P03", false]);
    });
    expect(await run(take, ["mine"])).toEqual([before]);
  });
});
