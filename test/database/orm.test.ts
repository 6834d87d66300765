import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientConfig } from "../../src/database/address.ts";
import { openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import { startCuttingProxy } from "../runs/cutting-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase();
  const { host, user, database: name } = clientConfig(database.address);
  // Nothing listens at port 1: only what follows the question mark leads to the server.
  url = `postgres://${user}@localhost:1/${name}?host=${encodeURIComponent(host ?? "")}&port=5432`;
});
afterAll(() => database.close());

/** What the ORM and a client of our own, as the journal's, each say to a question. */
async function answers(address: { readonly url: string }, question: string): Promise<readonly unknown[]> {
  const orm = await openOrm(address, entities);
  const client = new pg.Client(clientConfig(address));
  try {
    const ofOrm = await orm.em.fork().execute(question);
    await client.connect();
    return [ofOrm, (await client.query(question)).rows];
  } finally {
    await client.end();
    await orm.close(true);
  }
}

describe("what follows the ? of a database's URL", () => {
  test("leads the ORM to where it leads every other client", async () => {
    const [ofOrm, ofClient] = await answers({ url }, "select current_database() as name");
    expect(ofOrm).toEqual(ofClient);
  });

  test("makes the ORM demand TLS where the URL does", async () => {
    // The server of the tests speaks none.
    await expect(answers({ url: `${url}&sslmode=verify-full` }, "select 1")).rejects.toThrow("does not support SSL");
  });
});

describe("a transaction", () => {
  test("whose client falls silent is given up by the database, with the rows that it holds", async () => {
    const way = await startCuttingProxy(database.address);
    const [silent, other] = [await openOrm(way.address, entities), await openOrm({ url }, entities)];
    const take = "update tenant set name = name where name = 'contested'";
    await other.em.execute("insert into tenant (id, name, created_at) values (gen_random_uuid(), 'contested', now())");
    const em = silent.em.fork();
    await em.begin();
    await em.execute(take);
    way.silence();
    await other.em.fork().execute(take);
    await way.close();
    await em.rollback().catch(() => undefined);
    await other.close(true);
    await silent.close(true);
  });

  test.each(["fails", "commits"])("whose connection breaks before it %s takes none from the pool", async (how) => {
    const orm = await openOrm(database.address, entities);
    const killer = new pg.Pool({ ...clientConfig(database.address), max: 10 });
    // Its connections may still be closing when the database is dropped under them.
    killer.on("error", () => undefined);
    const breakOne = () =>
      orm.em.fork().transactional(async (em) => {
        const [row] = await em.execute<{ pid: number }[]>("select pg_backend_pid() as pid");
        await killer.query("select pg_terminate_backend($1, 5000)", [row?.pid]);
        if (how === "fails") await em.execute("select 1");
      });
    // Of ten connections.
    for (let times = 0; times < 11; times += 1) await expect(breakOne()).rejects.toThrow();
    const answers = await Promise.allSettled(Array.from({ length: 11 }, breakOne));
    expect(answers.every(({ status }) => status === "rejected")).toBe(true);
    expect(await orm.em.fork().execute("select 1 as one")).toEqual([{ one: 1 }]);
    await orm.close(true);
    await killer.end();
  });
});
