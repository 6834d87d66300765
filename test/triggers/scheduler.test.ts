import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import { TriggerEvent } from "../../src/runs/entities.ts";
import { Scheduler, type SchedulerPorts } from "../../src/triggers/scheduler.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";
import { quiet, registerPlaybook, triggeredRuns } from "./event-fixtures.ts";

describe("a schedule", () => {
  const nodes: TestServer[] = [];
  const first = () => nodes[0] as TestServer;
  beforeAll(async () => {
    const one = await startTestServer();
    const others = [startTestServer({ database: one.database }), startTestServer({ database: one.database })];
    nodes.push(one, ...(await Promise.all(others)));
  });
  afterAll(async () => {
    for (const node of nodes.toReversed()) await node.close();
  });

  /** The next tick of a playbook was due a moment ago. */
  async function makeDue(key: string): Promise<Date> {
    const em = first().orm.em.fork();
    const [row] = await em.execute<{ at: string }[]>(
      `update schedule set next_at = date_trunc('minute', now()) from playbook
      where playbook.id = playbook_id and key = ? returning extract(epoch from next_at) * 1000 as at`,
      [key],
    );
    return new Date(Number(row?.at));
  }

  function eventsOf(): Promise<TriggerEvent[]> {
    return first().orm.em.fork().find(TriggerEvent, { type: "schedule" });
  }

  // Once a year, so that no tick of its own comes between.
  const yearly = { cron: "0 0 29 2 *", timezone: "Europe/Berlin" };

  test("starts its playbook once for a tick, whichever node sees it first", async () => {
    await registerPlaybook(first(), { key: "yearly", event: "schedule", trigger: yearly });
    const at = await makeDue("yearly");
    await vi.waitUntil(async () => (await eventsOf()).length > 0, { timeout: 20_000 });
    await quiet(first());
    const [event, ...more] = await eventsOf();
    expect(more).toEqual([]);
    const scheduledAt = at.toISOString();
    expect(event).toMatchObject({ at, key: `${event?.playbookId} ${scheduledAt}`, emittedByKind: "SYSTEM" });
    const context = { schedule: { ...yearly, scheduledAt, isCatchUp: expect.any(Boolean) } };
    const [run, ...others] = await triggeredRuns(first());
    expect(run).toMatchObject({ context, startedByKind: "SYSTEM", startedByName: "schedule", startedById: null });
    expect(others).toEqual([]);
  });

  test("passes a tick over that its conditions do not want", async () => {
    const startsAt = async (key: string, scheduledAt: RegExp) => {
      const [events, runs] = [await eventsOf(), await triggeredRuns(first())];
      const conditions = { scheduledAt: { $regex: scheduledAt.source } };
      await registerPlaybook(first(), { key, event: "schedule", trigger: yearly, conditions });
      await makeDue(key);
      await vi.waitUntil(async () => (await eventsOf()).length > events.length, { timeout: 20_000 });
      await quiet(first());
      return (await triggeredRuns(first())).length > runs.length;
    };
    expect(await startsAt("of-the-past", /^1999/)).toBe(false);
    expect(await startsAt("of-this-age", /^2/)).toBe(true);
  });

  test("does not start a playbook that was disabled before its tick could", async () => {
    await registerPlaybook(first(), { key: "disabled", event: "schedule", trigger: yearly });
    const em = first().orm.em.fork();
    const [row] = await em.execute<{ id: string; tenant_id: string }[]>(
      "select id, tenant_id from playbook where key = 'disabled'",
    );
    const input = { key: "disabled", enabled: false };
    await mutate(first(), first().adminToken, "setPlaybookEnabled", "playbook { id }", input);
    await em.execute(
      `insert into trigger_event (id, tenant_id, created_at, type, key, at, data, data_hash, emitted_by_kind, emitted_by_name, playbook_id)
      values (?, ?, now() - interval '1 minute', 'schedule', 'late', now(), '{}', '', 'SYSTEM', 'schedule', ?)`,
      [newId(), row?.tenant_id, row?.id],
    );
    await quiet(first());
    expect((await triggeredRuns(first())).filter(({ playbookId }) => playbookId === row?.id)).toEqual([]);
  });
});

describe("the scheduler", () => {
  let database: TestDatabase;
  const schedulers: Scheduler[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => Promise.all(schedulers.splice(0).map((scheduler) => scheduler.stop())));
  afterAll(() => database.close());

  function start(ports: Partial<SchedulerPorts> = {}): void {
    const em = () => database.orm.em.fork();
    const scheduler = new Scheduler({ em, onTicked: () => undefined, log: silentLog, ...ports });
    schedulers.push(scheduler);
    scheduler.start();
  }

  /** Playbooks whose tick was due a minute ago. */
  async function leaveDue(count: number): Promise<void> {
    await database.orm.em.fork().execute(
      `with born as (
        insert into playbook (id, tenant_id, created_at, key, enabled, active_version_id, name, tags, event, trigger)
        select gen_random_uuid(), ?, now(), 'p' || n, true, gen_random_uuid(), 'p', '{}', 'schedule', '{"event":"schedule","cron":"0 0 29 2 *"}'
        from generate_series(1, ?::int) as n returning id, tenant_id
      )
      insert into schedule (playbook_id, tenant_id, cron, timezone, next_at)
      select id, tenant_id, '0 0 29 2 *', 'UTC', date_trunc('minute', now()) from born`,
      [newId(), count],
    );
  }

  test("makes one event of each tick, however many are due, with three of them at work", async () => {
    await leaveDue(250);
    let ticked = 0;
    for (let count = 0; count < 3; count += 1) start({ onTicked: () => (ticked += 1) });
    const events = () => database.orm.em.fork().find(TriggerEvent, {});
    await vi.waitUntil(async () => (await events()).length >= 250, { timeout: 20_000 });
    const playbookIds = (await events()).map(({ playbookId }) => playbookId);
    expect([playbookIds.length, new Set(playbookIds).size]).toEqual([250, 250]);
    const [row] = await database.orm.em
      .fork()
      .execute("select count(*)::int as due from schedule where next_at <= now()");
    expect(row).toEqual({ due: 0 });
    expect(ticked).toBeGreaterThanOrEqual(3);
  });

  test("goes on when the database is back", async () => {
    await database.orm.em.fork().execute("truncate trigger_event, schedule, playbook cascade");
    await leaveDue(1);
    let failures = 3;
    const warnings: unknown[] = [];
    start({
      log: { ...silentLog, warn: (_about: unknown, event: string) => warnings.push(event) } as unknown as Log,
      em() {
        failures -= 1;
        if (failures >= 0) throw new Error("away");
        return database.orm.em.fork();
      },
    });
    const events = () => database.orm.em.fork().count(TriggerEvent, {});
    await vi.waitUntil(async () => (await events()) === 1, { timeout: 20_000 });
    expect(warnings).toEqual(Array(3).fill("scheduler.look_failed"));
  });
});
