import { setTimeout as sleep } from "node:timers/promises";
import { Pool, type PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { clientConfig } from "../../src/database/address.ts";
import { Hub } from "../../src/runs/hub.ts";
import type { RunFilter } from "../../src/runs/run-filter.ts";
import { type RunUpdate, streamRunUpdates } from "../../src/runs/run-updates.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let pool: Pool;
const hub = new Hub();
const opened: AbortController[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool({ ...clientConfig(database.address), max: 12 });
  pool.on("error", () => undefined);
});
afterEach(() => {
  for (const controller of opened.splice(0)) controller.abort();
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const playbookId = newId();
const bearSql = `
insert into run (id, tenant_id, created_at, kind, status, playbook_id, playbook_version_id, context, sandbox, dry_run, started_by_kind,
  started_by_name, owner_id)
select id, $2, now(), 'PLAYBOOK', $3, $4, $4, '{}', false, false, 'SYSTEM', 'test', 1 from unnest($1::uuid[]) as id`;

async function bear(tenantId: string, status: string, client: Pool | PoolClient = pool): Promise<string> {
  const id = newId();
  await client.query(bearSql, [[id], tenantId, status, playbookId]);
  return id;
}

/** The head takes a status, as a flush of the journal writes it; `ids` all at once. */
async function change(ids: readonly string[], status: string, client: Pool | PoolClient = pool): Promise<void> {
  await client.query(
    `update run set status = $2, changed_xid = pg_current_xact_id()::text::bigint,
       finished_at = case when $2 = 'SUCCEEDED' then now() end, owner_id = case when $2 = 'SUCCEEDED' then null else 1 end
     where id = any($1::uuid[])`,
    [ids, status],
  );
}

function tell(tenantId: string): void {
  const event = { type: "RUN_STATUS", status: "RUNNING", sequence: 1, at: 0, runAttempt: 1 } as const;
  hub.publish({ id: newId(), tenantId }, [event]);
}

function open(tenantId: string, filter: RunFilter = {}, after?: number): AsyncGenerator<RunUpdate> & { close(): void } {
  const controller = new AbortController();
  opened.push(controller);
  const ports = { news: hub, em: () => database.orm.em.fork(), signal: controller.signal };
  const stream = streamRunUpdates(ports, { tenantId, filter, after });
  return Object.assign(stream, { close: () => controller.abort() });
}

/** A stream without a cursor, once it has seen what there is: only what comes later is told. */
async function openLive(tenantId: string, filter: RunFilter = {}) {
  const stream = open(tenantId, filter);
  const marker = await bear(tenantId, "QUEUED");
  const first = stream.next();
  const isSeen = first.then(() => true);
  while (!(await Promise.race([isSeen, sleep(20, false)]))) {
    await change([marker], "QUEUED");
    tell(tenantId);
  }
  expect((await first).value.run.id).toBe(marker);
  return stream;
}

/** Reads until `isEnough`, and returns the latest that was told of each run. */
async function latest(stream: AsyncIterator<RunUpdate>, isEnough: (told: ReadonlyMap<string, RunUpdate>) => boolean) {
  const told = new Map<string, RunUpdate>();
  while (!isEnough(told)) {
    const { value, done } = await stream.next();
    if (done) break;
    told.set(value.run.id, value);
  }
  return told;
}

describe("the stream of a tenant's runs", () => {
  test("tells of what changes from now on, of this tenant only, and not of what was", async () => {
    const [tenantId, other] = [newId(), newId()];
    const before = await bear(tenantId, "RUNNING");
    const stream = await openLive(tenantId);
    const foreign = await bear(other, "RUNNING");
    const later = await bear(tenantId, "RUNNING");
    tell(tenantId);
    const told = await latest(stream, (found) => found.has(later));
    expect(told.has(before)).toBe(false);
    expect(told.has(foreign)).toBe(false);
  });

  test("says of a run that has left the filter that it has, with its state", async () => {
    const tenantId = newId();
    const stream = await openLive(tenantId, { status: ["RUNNING"] });
    const id = await bear(tenantId, "RUNNING");
    tell(tenantId);
    expect((await latest(stream, (found) => found.has(id))).get(id)?.matches).toBe(true);
    await change([id], "SUCCEEDED");
    tell(tenantId);
    const told = await latest(stream, (found) => found.get(id)?.run.status === "SUCCEEDED");
    expect(told.get(id)?.matches).toBe(false);
  });

  test("says nothing of a run that could never match", async () => {
    const tenantId = newId();
    await bear(tenantId, "RUNNING");
    const fitting = await bear(tenantId, "RUNNING");
    await pool.query("update run set playbook_id = $2 where id = $1", [fitting, tenantId]);
    const { value } = await open(tenantId, { playbookId: tenantId }, 0).next();
    expect(value.run.id).toBe(fitting);
  });

  test("tells of every run that one flush changed, however many they are", async () => {
    const tenantId = newId();
    const count = 2 * limits.streamPageMax + 100;
    const ids = Array.from({ length: count }, () => newId());
    await pool.query(bearSql, [ids, tenantId, "RUNNING", playbookId]);
    const told = await latest(open(tenantId, {}, 0), ({ size }) => size === count);
    expect(told.size).toBe(count);
  });

  test("tells of a change that was committed after a later one had been told", async () => {
    const tenantId = newId();
    const [early, late] = [await bear(tenantId, "RUNNING"), await bear(tenantId, "RUNNING")];
    const stream = await openLive(tenantId);
    const slow = await pool.connect();
    await slow.query("begin");
    await change([early], "WAITING", slow);
    await change([late], "WAITING");
    tell(tenantId);
    const cursor = (await latest(stream, (found) => found.has(late))).get(late)?.xid;
    await slow.query("commit");
    slow.release();
    tell(tenantId);
    await latest(stream, (found) => found.has(early));
    // And to one who comes back with the cursor of the later one.
    const told = await latest(open(tenantId, {}, cursor), (found) => found.has(early));
    expect(told.get(early)?.run.status).toBe("WAITING");
  });

  test("leaves a reader that comes and goes with the latest state of every run, whatever order things commit in", async () => {
    const tenantId = newId();
    const ids = await Promise.all(Array.from({ length: 25 }, () => bear(tenantId, "QUEUED")));
    const statuses = ["RUNNING", "WAITING"];
    const writer = async (seed: number) => {
      for (let turn = 0; turn < 40; turn += 1) {
        const client = await pool.connect();
        await client.query("begin");
        await change([ids[(seed * 5 + (turn % 5)) % ids.length] as string], statuses[turn % 2] as string, client);
        if ((seed + turn) % 3 === 0) await sleep(seed);
        await client.query("commit");
        client.release();
        tell(tenantId);
      }
      await change(ids.slice(seed * 5, seed * 5 + 5), "SUCCEEDED");
      tell(tenantId);
    };
    const writing = Promise.all(upTo(5).map(writer));
    const seen = new Map<string, string>();
    let cursor = 0;
    const isDone = () => ids.every((id) => seen.get(id) === "SUCCEEDED");
    for (let connection = 0; !isDone(); connection += 1) {
      const stream = open(tenantId, {}, cursor);
      for (let taken = 0; taken < 1 + (connection % 30) && !isDone(); taken += 1) {
        const { value } = (await stream.next()) as { value: RunUpdate };
        seen.set(value.run.id, value.run.status);
        cursor = value.xid;
      }
      stream.close();
    }
    await writing;
    expect(isDone()).toBe(true);
  });

  test("ends when its reader goes away while it waits", async () => {
    const stream = open(newId());
    const next = stream.next();
    stream.close();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
