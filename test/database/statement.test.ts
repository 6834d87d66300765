import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { type Orm, openOrm } from "../../src/database/orm.ts";
import { openRequestOrm } from "../../src/database/request-orm.ts";
import { executeIn, executePrepared, isRefusal, statement } from "../../src/database/statement.ts";
import { entities } from "../../src/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";

let database: TestDatabase;
let requests: Orm;
beforeAll(async () => {
  database = await createTestDatabase();
  requests = await openRequestOrm(database.address, entities);
});
afterAll(async () => {
  await requests.close(true);
  await database.close();
});

const names = statement("test-names", "select name from tenant where name like ? order by name");
const divide = statement("test-divide", "select ?::int / ?::int as quotient");

describe("a prepared statement", () => {
  test("takes its values in order", async () => {
    expect(await executePrepared(database.orm, newId())(divide, [12, 4])).toEqual([{ quotient: 3 }]);
    expect(await executeIn(database.orm.em.fork())(divide, [12, 4])).toEqual([{ quotient: 3 }]);
  });

  test("is prepared once by each connection", async () => {
    const orm = await openOrm(database.address, entities);
    const prepared = statement(
      "test-prepared",
      "select name, pg_backend_pid() as pid from pg_prepared_statements where name = ?",
    );
    const run = () => executePrepared(orm, newId())<{ pid: number }>(prepared, ["test-prepared"]);
    const [[first], [second]] = [await run(), await run()];
    expect(second).toEqual({ name: "test-prepared", pid: first?.pid });
    await orm.close(true);
  });

  test("sees what its tenant may see, on whichever connection", async () => {
    const mine = await makeTenant(database.orm, "statement-mine");
    const theirs = await makeTenant(database.orm, "statement-theirs");
    const asked = Array.from({ length: 40 }, (_, index) => [mine, theirs][index % 2]!);
    const seen = await Promise.all(asked.map(({ id }) => executePrepared(requests, id)(names, ["statement-%"])));
    expect(seen).toEqual(asked.map(({ name }) => [{ name }]));
  });

  test("that is refused says so, and leaves its connection usable", async () => {
    const run = executePrepared(database.orm, newId());
    const error = await run(divide, [1, 0]).catch((thrown: unknown) => thrown);
    expect(isRefusal(error)).toBe(true);
    expect(await run(divide, [1, 1])).toEqual([{ quotient: 1 }]);
  });

  test("goes on where a newer node gives its table another column", async () => {
    const run = executePrepared(database.orm, newId());
    const em = database.orm.em.fork();
    await em.execute("create table grown (a int)");
    const grow = statement("test-grow", "insert into grown values (?) returning *");
    // As many as a pool has connections: each of them has prepared it.
    await Promise.all(Array.from({ length: 10 }, () => run(grow, [1])));
    await em.execute("alter table grown add b int");
    const grown = await Promise.all(Array.from({ length: 10 }, () => run(grow, [2])));
    expect(grown).toEqual(grown.map(() => [{ a: 2, b: null }]));
    expect(await em.execute("select count(*)::int as count from grown")).toEqual([{ count: 20 }]);
  });

  test("that nobody answers may have happened, and takes none from the pool", async () => {
    const sleep = statement("test-sleep", "select pg_sleep(?::float8)::text");
    const run = executePrepared(database.orm, newId(), 50);
    const late = Array.from({ length: 15 }, () => run(sleep, [3]).catch((thrown: unknown) => isRefusal(thrown)));
    expect(await Promise.all(late)).toEqual(late.map(() => false));
    expect(await executePrepared(database.orm, newId())(divide, [6, 3])).toEqual([{ quotient: 2 }]);
  });

  test("whose connection breaks may have happened, and takes none from the pool", async () => {
    const run = executePrepared(database.orm, newId());
    const end = statement("test-end", "select pg_terminate_backend(pg_backend_pid()), ?::text");
    const broken = Array.from({ length: 15 }, () => run(end, ["now"]).catch((thrown: unknown) => isRefusal(thrown)));
    expect(await Promise.all(broken)).toEqual(broken.map(() => false));
    expect(await run(divide, [4, 2])).toEqual([{ quotient: 2 }]);
  });
});
