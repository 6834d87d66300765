import { setTimeout as sleep } from "node:timers/promises";
import { Client, type Pool } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { clientConfig } from "../../src/database/address.ts";
import { Claims } from "../../src/runs/claims.ts";
import { declareDeadSql, joinSql } from "../../src/runs/membership-sql.ts";
import { EngineWorld, plentyOfMemory, single, tenantId } from "./engine-world.ts";

let world: EngineWorld;
let dying: Client;
let node: { readonly id: number; readonly epoch: number };

beforeAll(async () => {
  world = await EngineWorld.create();
});
beforeEach(async () => {
  const { rows } = await world.pool.query(joinSql, ["host", 1, ""]);
  node = rows[0];
  dying = new Client(clientConfig(world.address));
  await dying.connect();
});
afterEach(async () => {
  await dying.end();
  await world.reset();
});
afterAll(() => world.close());

/** Declares the node dead while its statement is under way, which ends only then. */
async function declareDead(isGone: boolean): Promise<void> {
  const declared = world.pool.query(declareDeadSql({ ...node, isGone }));
  while ((await world.pool.query(waitingSql)).rowCount === 0) await sleep(5);
  await dying.query("commit");
  await declared;
}

const waitingSql =
  "select from pg_stat_activity where datname = current_database() and application_name = 'test' and wait_event_type = 'Lock'";

/** What the node claims by way of this connection. */
function claim(pool: Pick<Pool, "query">) {
  const { memory } = plentyOfMemory();
  return new Claims({ pool, memory, resident: new Map() }).claim({ nodeId: node.id, epoch: node.epoch });
}

describe("a node that is declared dead while the database is at work for it", () => {
  test("leaves nobody's run behind: what it claims with its last breath is free at once", async () => {
    const birth = world.birth(single);
    await world.leaveFree(birth);
    await dying.query("begin");
    expect(await claim(dying)).toEqual([{ id: birth.id }]);
    await declareDead(true);
    const head = await world.head(birth.id);
    expect(head).toMatchObject({ ownerId: null, wakeAt: expect.any(Date) });
  });

  test("has time to end a step that it begins with its last breath, where its process may be alive", async () => {
    const birth = world.birth(single);
    await world.leaveFree(birth);
    await claim(world.pool);
    await dying.query("begin");
    await dying.query("select from node where id = $1 for key share", [node.id]);
    await dying.query(
      `insert into run_event (run_id, sequence, tenant_id, at, run_attempt, type, step_id, attempt, label)
       values ($1, 2, $2, now(), 1, 'STEP_STATUS', 'only', 1, 'RUNNING')`,
      [birth.id, tenantId],
    );
    await declareDead(false);
    const { rows } = await world.pool.query(
      "select extract(epoch from wake_at - heartbeat_at) * 1000 as ms from run, node where run.id = $1 and node.id = $2",
      [birth.id, node.id],
    );
    expect(rows.map(({ ms }) => Number(ms))).toEqual([limits.leaseMs]);
  });

  test("is refused what comes later, and is declared dead once", async () => {
    const birth = world.birth(single);
    await world.leaveFree(birth);
    for (const _ of [1, 2]) await world.pool.query(declareDeadSql({ ...node, isGone: true }));
    expect(await claim(world.pool)).toEqual([]);
    const { rows } = await world.pool.query("select epoch from node");
    expect(rows).toEqual([{ epoch: node.epoch + 1 }]);
  });
});
