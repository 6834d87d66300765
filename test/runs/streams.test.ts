import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { Fact, RunEvent } from "../../src/runs/events.ts";
import { toRow } from "../../src/runs/events.ts";
import { Hub } from "../../src/runs/hub.ts";
import { readEvents } from "../../src/runs/read-events.ts";
import { streamRun } from "../../src/runs/run-stream.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { tenantId } from "./engine-world.ts";

let database: TestDatabase;
let hub: Hub;
const opened: AbortController[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  hub = new Hub();
});
afterEach(() => {
  for (const controller of opened.splice(0)) controller.abort();
});
afterAll(() => database.close());

/** How those who listen on this node hear of what was written: its events, an id only, or nothing at all. */
type Telling = "events" | "hint" | "nothing";

/** A run that events are written to, as the journal of this or another node does it. */
class WrittenRun {
  readonly id = newId();
  sequence = 0;

  async write(facts: readonly Fact[], telling: Telling = "events"): Promise<void> {
    const events = facts.map((fact): RunEvent => ({ ...fact, sequence: ++this.sequence, at: 1_000, runAttempt: 1 }));
    const rows = events.map((event) => ({ ...toRow(event), id: this.id, tenantId }));
    await database.orm.em.fork().execute(writeSql, [JSON.stringify(rows)]);
    if (telling === "events") hub.publish({ id: this.id, tenantId }, events);
    if (telling === "hint") hub.hint(this.id);
  }

  async lines(count: number, telling?: Telling): Promise<void> {
    await this.write(
      Array.from({ length: count }, () => line),
      telling,
    );
  }

  open(after = 0): { events: AsyncGenerator<RunEvent>; reads: number[]; close: () => void } {
    const controller = new AbortController();
    opened.push(controller);
    const reads: number[] = [];
    const read = async (from: number) => {
      const em = database.orm.em.fork();
      const page = await readEvents(em, { tenantId, runId: this.id, after: from, limit: limits.streamPageMax });
      reads.push(page.length);
      return page;
    };
    const events = streamRun({ hub, read, signal: controller.signal }, this.id, after);
    return { events, reads, close: () => controller.abort() };
  }
}

const line: Fact = { type: "LOG", stepId: "a", attempt: 1, stream: "STDOUT", text: "line" };
const end: Fact = { type: "RUN_STATUS", status: "SUCCEEDED" };
const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, index) => from + index);

async function sequences(events: AsyncIterable<RunEvent>, count = Number.POSITIVE_INFINITY): Promise<number[]> {
  const found: number[] = [];
  if (count === 0) return found;
  for await (const { sequence } of events) if (found.push(sequence) >= count) break;
  return found;
}

describe("the stream of one run", () => {
  test("replays what was, goes on with what comes, and completes with the run", async () => {
    const run = new WrittenRun();
    await run.lines(3, "nothing");
    const { events, reads } = run.open();
    const all = sequences(events);
    await expect.poll(() => reads.length).toBe(1);
    await run.lines(2);
    await run.write([line, end]);
    expect(await all).toEqual(upTo(7));
  });

  test("goes on past its cursor only", async () => {
    const run = new WrittenRun();
    await run.write([line, line, line, end]);
    expect(await sequences(run.open(2).events)).toEqual([3, 4]);
  });

  test("completes at once for who comes back after the last event", async () => {
    const run = new WrittenRun();
    await run.write([line, end]);
    expect(await sequences(run.open(2).events)).toEqual([]);
  });

  test("replays more than a page, and what is written meanwhile, without a gap", async () => {
    const run = new WrittenRun();
    await run.lines(2 * limits.streamPageMax, "nothing");
    const { events } = run.open();
    expect(await events.next()).toMatchObject({ value: { sequence: 1 } });
    await run.write([line, end]);
    expect(await sequences(events)).toEqual(upTo(2 * limits.streamPageMax + 2, 2));
  });

  test.each(["hint", "nothing"] as const)(
    "misses nothing where all it is told of some events is: %s",
    async (telling) => {
      const run = new WrittenRun();
      const { events, reads } = run.open();
      const all = sequences(events);
      await expect.poll(() => reads.length).toBe(1);
      await run.lines(2, telling);
      await run.lines(2);
      await run.write([line, end], "hint");
      expect(await all).toEqual(upTo(6));
    },
  );

  test("hears a hint that names no run at all", async () => {
    const run = new WrittenRun();
    const { events, reads } = run.open();
    const all = sequences(events);
    await expect.poll(() => reads.length).toBe(1);
    await run.write([end], "nothing");
    hub.hint("*");
    expect(await all).toEqual([1]);
  });

  test("takes what happens on its own node from memory, not from the database", async () => {
    const run = new WrittenRun();
    const { events, reads } = run.open();
    const all = sequences(events);
    await expect.poll(() => reads.length).toBe(1);
    for (let wave = 0; wave < 20; wave += 1) await run.lines(10);
    await run.write([end]);
    expect(await all).toEqual(upTo(201));
    expect(sum(reads)).toBe(0);
  });

  test("serves a reader that fell far behind from the journal, in order, and nobody else waits for it", async () => {
    const run = new WrittenRun();
    const [slow, quick] = [run.open(), run.open()];
    const all = sequences(quick.events);
    await run.lines(1);
    expect(await slow.events.next()).toMatchObject({ value: { sequence: 1 } });
    const count = 4 * limits.subscriberQueueMax;
    for (let wave = 0; wave < 40; wave += 1) await run.lines(count / 40);
    await run.write([end]);
    expect(await all).toEqual(upTo(count + 2));
    expect(sum(quick.reads)).toBeLessThan(limits.subscriberQueueMax);
    expect(await sequences(slow.events)).toEqual(upTo(count + 2, 2));
    expect(sum(slow.reads)).toBeGreaterThan(count - limits.subscriberQueueMax);
  });

  test("gives every event exactly once to a reader that reconnects a thousand times", async () => {
    const run = new WrittenRun();
    const found: number[] = [];
    const tellings = ["events", "events", "hint", "nothing", "events"] as const;
    const writing = (async () => {
      for (let turn = 0; run.sequence < 1_100; turn += 1) {
        // A little ahead of the reader, so that it is now behind and now waiting.
        while (run.sequence > found.length + 12) await sleep(1);
        await run.lines(1 + (turn % 4), tellings[turn % tellings.length]);
      }
      await run.write([line, end]);
    })();
    let connections = 0;
    for (let isEnded = false; !isEnded; connections += 1) {
      const { events, close } = run.open(found.at(-1) ?? 0);
      const wanted = connections < 1_000 ? (connections * 7) % 3 : Number.POSITIVE_INFINITY;
      for (let got = 0; got < wanted && !isEnded; got += 1) {
        const { value, done } = await events.next();
        if (done) isEnded = true;
        else found.push(value.sequence);
      }
      close();
    }
    expect(connections).toBeGreaterThan(1_000);
    await writing;
    expect(found).toEqual(upTo(run.sequence));
  });

  test.each([
    ["while it waits", 1],
    ["while it reads", 0],
  ])("ends when its reader goes away %s", async (_when, readsBefore) => {
    const { events, reads, close } = new WrittenRun().open();
    const next = events.next();
    await expect.poll(() => reads.length).toBeGreaterThanOrEqual(readsBefore);
    close();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

const writeSql = `
insert into run_event (run_id, sequence, tenant_id, at, run_attempt, type, step_id, attempt, label, body)
select id, sequence, "tenantId", to_timestamp(at / 1000.0), "runAttempt", type, "stepId", attempt, label, body
from json_to_recordset(?::json) as e(id uuid, sequence int, "tenantId" uuid, at float8, "runAttempt" int, type text, "stepId" text, attempt int, label text, body jsonb)`;
