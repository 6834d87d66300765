import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { approvalAskedAt, dispatchAskedAt, runAskedAt } from "../../src/runs/asked-at.ts";
import { Run, TriggerEvent } from "../../src/runs/entities.ts";
import { insertApproval } from "../approvals/approval-fixtures.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const tenantId = newId();
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute));
const em = () => database.orm.em.fork();

async function insertRun(minute: number, fields: Partial<Run> = {}): Promise<string> {
  const fork = em();
  const run = fork.create(Run, {
    ...{ tenantId, kind: "PLAYBOOK", status: "RUNNING", context: {}, createdAt: at(minute), wakeAt: at(minute) },
    ...{ playbookId: newId(), playbookVersionId: newId(), startedByKind: "MEMBER", startedByName: "alice" },
    ...fields,
  });
  await fork.persist(run).flush();
  return run.id;
}

async function insertEvent(minute: number): Promise<string> {
  const fork = em();
  const event = fork.create(TriggerEvent, {
    ...{ tenantId, type: "finding.new", key: newId(), at: at(0), createdAt: at(minute), data: {}, dataHash: "" },
    ...{ emittedByKind: "MEMBER", emittedByName: "alice" },
  });
  await fork.persist(event).flush();
  return event.id;
}

const asked = (runId: string) => runAskedAt(em(), { tenantId, runId });

describe("what a run does was asked for", () => {
  test("when it was started, or before that, when its event was emitted", async () => {
    expect(await asked(await insertRun(5))).toEqual(at(5));
    expect(await asked(await insertRun(9, { eventId: await insertEvent(7) }))).toEqual(at(7));
  });

  test("when the chain that led to it began", async () => {
    const rootId = await insertRun(4, { eventId: await insertEvent(3) });
    const chain = { rootId, depth: 2, playbookIds: [] };
    expect(await asked(await insertRun(9, { chain, eventId: await insertEvent(8) }))).toEqual(at(3));
    // Of whose root nothing is left, its own time counts.
    expect(await asked(await insertRun(9, { chain: { ...chain, rootId: newId() } }))).toEqual(at(9));
  });

  test("never, where it is of another tenant or none", async () => {
    const id = await insertRun(5);
    expect(await runAskedAt(em(), { tenantId: newId(), runId: id })).toBeUndefined();
    expect(await asked(newId())).toBeUndefined();
  });
});

describe("what people are asked about was asked for", () => {
  test("when its run was, not when it got there", async () => {
    const approval = await insertApproval(database.orm, { tenantId, runId: await insertRun(5), createdAt: at(20) });
    expect(await approvalAskedAt(em(), approval)).toEqual(at(5));
    const lost = await insertApproval(database.orm, { tenantId, createdAt: at(20) });
    expect(await approvalAskedAt(em(), lost)).toEqual(at(20));
  });

  test("by a live action when the run of its step was, or else when it was dispatched", async () => {
    const runId = await insertRun(5);
    for (const [requestId, minute] of [
      [`${runId}:isolate:1:1`, 5],
      [runId, 5],
      ["own", 20],
      [`${newId()}:a:1:1`, 20],
    ] as const) {
      expect(await dispatchAskedAt(em(), { tenantId, requestId, createdAt: at(20) })).toEqual(at(minute));
    }
    // Who names another's run in a request id of their own gains nothing by it.
    const named = { tenantId, requestId: `${runId}:x`, createdAt: at(2) };
    expect(await dispatchAskedAt(em(), named)).toEqual(at(2));
  });
});
