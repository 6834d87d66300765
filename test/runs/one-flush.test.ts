import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { noteBytes } from "../../src/core/json-bytes.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { type Fact, toRow } from "../../src/runs/events.ts";
import { Journal } from "../../src/runs/journal.ts";
import type { HeadChange, JournalEntry, WriteResult } from "../../src/runs/journal-entry.ts";
import { EngineWorld, single, tenantId } from "./engine-world.ts";

let world: EngineWorld;
let journal: Journal;
let nodeId: number;
beforeAll(async () => {
  world = await EngineWorld.create();
  const sql = "insert into node (host, pid, process_start) values ('here', 1, '') returning id";
  nodeId = (await world.pool.query<{ id: number }>(sql)).rows[0]?.id ?? 0;
  const membership = { identity: () => ({ nodeId, epoch: 1 }), hasPeers: () => false };
  journal = new Journal({ address: world.address, membership, log: silentLog });
});
afterAll(async () => {
  await journal.stop();
  await world.close();
});

const headOf = (status: string, rest: Partial<HeadChange> = {}): HeadChange => ({
  ...{ status, is_released: false, wake: null, started: 1, finished: null, attempt: 1, failed: 0, simulated: 0 },
  ...{ error_code: null, error_message: null, held: null },
  ...rest,
});

/** Hands all of it over in one turn, so that it rides in one flush. */
function write(entries: readonly Omit<JournalEntry, "settled" | "tenantId">[]): Promise<WriteResult[]> {
  return Promise.all(
    entries.map((entry) => new Promise<WriteResult>((settled) => journal.append({ ...entry, tenantId, settled }))),
  );
}

const rowOf = (sequence: number, fact: Fact) => toRow({ ...fact, sequence, at: sequence, runAttempt: 1 });

async function bornRun(): Promise<string> {
  const birth = world.birth(single);
  const events = [rowOf(1, { type: "RUN_STATUS", status: "RUNNING" })];
  expect(await write([{ runId: birth.id, birth, events, head: headOf("RUNNING") }])).toEqual(["written"]);
  return birth.id;
}

describe("what a run hands over in one flush", () => {
  test("leaves its row as the last of it says", async () => {
    const runId = await bornRun();
    const statuses = ["WAITING", "RUNNING", "WAITING", "RUNNING", "SUCCEEDED"] as const;
    const entries = statuses.map((status, index) => {
      const isEnd = status === "SUCCEEDED";
      const head = headOf(status, isEnd ? { is_released: true, finished: 9 } : {});
      return { runId, events: [rowOf(index + 2, { type: "RUN_STATUS", status })], head };
    });
    expect(await write(entries)).toEqual(statuses.map(() => "written"));
    expect(await world.head(runId)).toMatchObject({ status: "SUCCEEDED", ownerId: null, finishedAt: new Date(9) });
  });

  test.each([
    ["at once", 1],
    ["one after the other", 2],
  ])("leaves no request to people open that it makes and closes, %s", async (_how, parts) => {
    const runId = await bornRun();
    const asked = { id: newId(), stepId: "only", message: null, approvers: [], requesterId: null, expiresAt: null };
    const events = [
      rowOf(2, { type: "STEP_STATUS", stepId: "only", attempt: 1, status: "WAITING" }),
      rowOf(3, { type: "STEP_STATUS", stepId: "only", attempt: 1, status: "CANCELLED" }),
    ];
    const made = { approvals: [{ ...asked, effect: null }] };
    const closed = { closedApprovals: [asked.id] };
    const entries =
      parts === 1
        ? [{ runId, events, ...made, ...closed }]
        : [
            { runId, events: events.slice(0, 1), ...made },
            { runId, events: events.slice(1), ...closed },
          ];
    expect(await write(entries)).toEqual(entries.map(() => "written"));
    const { rows } = await world.pool.query("select status from approval where id = $1", [asked.id]);
    expect(rows).toEqual([{ status: "CLOSED" }]);
  });

  test("is not more than the database takes in one go: large entries are written in several", async () => {
    const runIds = await Promise.all(Array.from({ length: 12 }, bornRun));
    const output = { text: "x".repeat(1024 * 1024) };
    noteBytes(output, 1024 * 1024);
    const outcome = { type: "STEP_STATUS", stepId: "only", attempt: 1, status: "SUCCEEDED", output } as const;
    const written = await write(runIds.map((runId) => ({ runId, events: [rowOf(2, outcome)] })));
    expect(written).toEqual(runIds.map(() => "written"));
    const sql =
      "select count(distinct xmin::text)::int as flushes from run_event where run_id = any($1) and sequence = 2";
    const { rows } = await world.pool.query<{ flushes: number }>(sql, [runIds]);
    expect(rows[0]?.flushes).toBe(12 / (limits.flushBytesMax / 1024 / 1024));
  });
});

describe("a node that was declared dead", () => {
  test("writes nothing more, neither for its runs nor new ones", async () => {
    const runId = await bornRun();
    await world.pool.query("update node set epoch = epoch + 1, left_at = now() where id = $1", [nodeId]);
    const birth = world.birth(single);
    const results = await write([
      {
        runId,
        events: [rowOf(2, { type: "RUN_STATUS", status: "SUCCEEDED" })],
        head: headOf("SUCCEEDED", { finished: 9 }),
      },
      {
        runId: birth.id,
        birth,
        events: [rowOf(1, { type: "RUN_STATUS", status: "RUNNING" })],
        head: headOf("RUNNING"),
      },
    ]);
    expect(results).toEqual(["lost", "lost"]);
    expect(await world.head(birth.id)).toBeUndefined();
    expect(await world.events(runId)).toHaveLength(1);
    expect(await world.head(runId)).toMatchObject({ status: "RUNNING", finishedAt: null });
    await world.pool.query("update node set epoch = 1, left_at = null where id = $1", [nodeId]);
  });
});
