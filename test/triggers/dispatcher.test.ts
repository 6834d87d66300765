import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import { Playbook } from "../../src/playbooks/entities.ts";
import type { TriggerEvent } from "../../src/runs/entities.ts";
import { Dispatcher, type DispatcherPorts } from "../../src/triggers/dispatcher.ts";
import { recordEvent } from "../../src/triggers/record-event.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { emit, keysOf, quiet, registerPlaybook, triggeredRuns } from "./event-fixtures.ts";

const by = { kind: "TOKEN", name: "ann" } as const;

describe("an event among three nodes", () => {
  const nodes: TestServer[] = [];
  beforeAll(async () => {
    const first = await startTestServer();
    const others = [startTestServer({ database: first.database }), startTestServer({ database: first.database })];
    nodes.push(first, ...(await Promise.all(others)));
    await registerPlaybook(first, { key: "one", conditions: { kind: "lost" } });
    await registerPlaybook(first, { key: "two", conditions: { kind: "lost" } });
  });
  afterAll(async () => {
    for (const node of nodes.toReversed()) await node.close();
  });

  test("starts its runs once, whoever finds it, where the one that received it died", async () => {
    const server = nodes[0] as TestServer;
    const em = server.orm.em.fork();
    const { tenantId } = await em.findOneOrFail(Playbook, { key: "one" });
    const events: TriggerEvent[] = [];
    for (let count = 0; count < 20; count += 1) {
      const data = { finding: { kind: "lost", count } };
      events.push(await recordEvent(em, tenantId, { type: "finding.new", data, at: new Date(), by }));
    }
    // As if another node, whose clock is an hour ahead, had written one of them.
    await em.execute("update trigger_event set created_at = now() + interval '1 hour' where id = ?", [events[0]?.id]);
    await quiet(server);
    const runs = await triggeredRuns(server);
    const started = runs.map(({ eventId, playbookId }) => `${eventId} ${playbookId}`);
    expect(new Set(started).size).toBe(2 * events.length);
    expect(started).toHaveLength(2 * events.length);
  });

  test("that comes to all of them at once is one event, with one run of each playbook", async () => {
    const input = { key: "everywhere", data: { finding: { kind: "lost", where: "everywhere" } } };
    const answers = await Promise.all(nodes.flatMap((node) => Array.from({ length: 33 }, () => emit(node, input))));
    expect(new Set(answers.map(({ event }) => event.id)).size).toBe(1);
    expect(new Set(answers.flatMap(({ runs }) => runs.map(({ id }) => id))).size).toBe(2);
    const late = await emit(nodes[2] as TestServer, input);
    expect(keysOf(late)).toEqual(["one", "two"]);
  });
});

describe("the dispatcher", () => {
  const tenantId = newId();
  let database: TestDatabase;
  let dispatcher: Dispatcher | undefined;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await dispatcher?.stop();
    await database.orm.em.fork().execute("truncate trigger_event");
  });
  afterAll(() => database.close());

  /** Events that came a while ago, oldest first. */
  async function leave(count: number): Promise<string[]> {
    const em = database.orm.em.fork();
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const { id } = await recordEvent(em, tenantId, { type: "finding.new", data: { index }, at: new Date(), by });
      const age = `${count - index} minutes`;
      await em.execute("update trigger_event set created_at = now() - ?::interval where id = ?", [age, id]);
      ids.push(id);
    }
    return ids;
  }

  async function markDispatched(event: TriggerEvent): Promise<TriggerEvent> {
    await database.orm.em.fork().execute("update trigger_event set dispatched_at = now() where id = ?", [event.id]);
    return Object.assign(event, { dispatchedAt: new Date() });
  }

  function start(ports: Partial<DispatcherPorts>): Dispatcher {
    const em = () => database.orm.em.fork();
    dispatcher = new Dispatcher({ em, dispatch: markDispatched, isReady: () => true, log: silentLog, ...ports });
    dispatcher.start();
    return dispatcher;
  }

  test("is not held up by events that fail again and again", async () => {
    const ids = await leave(30);
    const poisonous = new Set(ids.slice(0, 20));
    const tries = new Map<string, number>();
    const healthy: string[] = [];
    start({
      async dispatch(event) {
        tries.set(event.id, (tries.get(event.id) ?? 0) + 1);
        if (poisonous.has(event.id)) return event;
        healthy.push(event.id);
        return markDispatched(event);
      },
    });
    await vi.waitUntil(() => healthy.length === 10, { timeout: 20_000 });
    expect(healthy.toSorted()).toEqual(ids.slice(20).toSorted());
    await vi.waitUntil(() => [...poisonous].every((id) => (tries.get(id) ?? 0) >= 2), { timeout: 20_000 });
  });

  test("goes through all that is left, however much", async () => {
    const em = database.orm.em.fork();
    await em.execute(
      `insert into trigger_event (id, tenant_id, created_at, type, key, at, data, data_hash, emitted_by_kind, emitted_by_name)
      select gen_random_uuid(), ?, now() - interval '1 day', 'finding.new', n::text, now(), '{}', '', 'SYSTEM', 'test'
      from generate_series(1, 500) as n`,
      [tenantId],
    );
    const seen: string[] = [];
    start({
      async dispatch(event) {
        seen.push(event.id);
        return markDispatched(event);
      },
    });
    await vi.waitUntil(() => seen.length >= 500, { timeout: 20_000 });
    expect(new Set(seen).size).toBe(500);
  });

  test("leaves an event to whoever has just received it, but not what a run of its own has told", async () => {
    const em = database.orm.em.fork();
    const fresh = { type: "finding.new", data: {}, at: new Date(), by };
    const seen: string[] = [];
    const hourAhead = "update trigger_event set created_at = now() + interval '1 hour' where id = ?";
    const { id: told } = await recordEvent(em, tenantId, { ...fresh, type: "schedule", playbookId: newId() });
    const { id: emitted } = await recordEvent(em, tenantId, fresh);
    const woken = start({
      async dispatch(event) {
        seen.push(event.id);
        return markDispatched(event);
      },
    });
    woken.wake();
    await vi.waitUntil(() => seen.length === 1, { timeout: 20_000 });
    expect(seen).toEqual([told]);
    await em.execute(hourAhead, [emitted]);
    await vi.waitUntil(() => seen.length === 2, { timeout: 20_000 });
    expect(seen).toEqual([told, emitted]);
  });

  test("waits until the node can start runs, and through a database that is away", async () => {
    const ids = await leave(3);
    let isReady = false;
    let failures = 2;
    const warnings: unknown[] = [];
    const seen: string[] = [];
    const log = { ...silentLog, warn: (_about: unknown, event: string) => warnings.push(event) } as unknown as Log;
    start({
      log,
      isReady: () => isReady,
      em() {
        failures -= 1;
        if (failures >= 0) throw new Error("away");
        return database.orm.em.fork();
      },
      async dispatch(event) {
        seen.push(event.id);
        return markDispatched(event);
      },
    }).wake();
    isReady = true;
    await vi.waitUntil(() => seen.length === 3, { timeout: 20_000 });
    expect(seen.toSorted()).toEqual(ids.toSorted());
    expect(warnings).toEqual(["dispatcher.look_failed", "dispatcher.look_failed"]);
  });

  test("ends with the dispatch that is under way, and begins no other", async () => {
    await leave(20);
    const finish: (() => void)[] = [];
    const stopped = start({
      async dispatch(event) {
        await new Promise<void>((resolve) => finish.push(resolve));
        return markDispatched(event);
      },
    });
    await vi.waitUntil(() => finish.length === 4, { timeout: 20_000 });
    let isOver = false;
    const over = stopped.stop().then(() => {
      isOver = true;
    });
    stopped.wake();
    await database.orm.em.fork().execute("select 1");
    expect(isOver).toBe(false);
    for (const one of finish) one();
    await over;
    expect(finish).toHaveLength(4);
  });
});
