import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditEntry } from "../../src/audit/entities.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { executePrepared } from "../../src/database/statement.ts";
import {
  completeStatement,
  insertDispatch,
  insertDispatches,
  type NewDispatch,
} from "../../src/live-actions/dispatch-rows.ts";
import { createDispatchStore } from "../../src/live-actions/dispatch-store.ts";
import { LiveActionDispatch, LiveActionUsage } from "../../src/live-actions/entities.ts";
import { setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { dispatchWorld } from "./dispatch-world.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const params = { acme_id: "me", acme_token: "s3cret-t0ken" };

const newDispatch = (tenantId: string, requestId: string): NewDispatch => ({
  ...{ id: newId(), tenantId, requestId, operation: "dispatchLiveAction", mode: "LIVE", cost: 1 },
  ...{ actor: { kind: "SYSTEM", name: "test" }, capability: "isolate_host", vendorId: "acme", target: "host-1" },
  ...{ params: {}, givenCredentials: {}, caseId: undefined, requestedBy: undefined, inputHash: "0".repeat(64) },
  state: { name: "RUNNING", timeoutMs: 1_000 },
});

test("a hundred dispatches of two tenants at once are each written, called, counted and audited once", async () => {
  const asked: Asked[] = [];
  const { dispatch } = await dispatchWorld(database.orm, [scriptedAdapter({ asked, costPerCall: 0.5 })]);
  const tenants = [await makeTenant(database.orm, newId()), await makeTenant(database.orm, newId())] as const;
  const targets = Array.from({ length: 100 }, (_, index) => `host-${index}`);
  const ended = await Promise.all(targets.map((target, index) => dispatch(tenants[index % 2]!, { target, params })));
  expect(ended.map(({ target, status }) => [target, status])).toEqual(targets.map((target) => [target, "SUCCEEDED"]));
  expect(asked.filter(({ what }) => what === "execute")).toHaveLength(100);
  const em = database.orm.em.fork();
  for (const { id: tenantId } of tenants) {
    expect(await em.find(LiveActionUsage, { tenantId })).toMatchObject([{ calls: 50, cost: 25 }]);
    const entries = await em.find(AuditEntry, { tenantId });
    const of = (operation: string) => entries.filter((entry) => entry.operation === operation).map((e) => e.subject);
    expect(new Set(of("dispatchLiveAction")).size).toBe(50);
    expect(new Set(of("completeLiveAction")).size).toBe(50);
    expect(entries).toHaveLength(100);
  }
});

test.each<[string, string]>([
  ["what a tenant has used", "live_action_usage"],
  ["what bounds a tenant's calls", "live_action_policy"],
])("where somebody holds %s, the others go on, and the tenant does afterwards", async (_what, table) => {
  const asked: Asked[] = [];
  const { as, dispatch } = await dispatchWorld(database.orm, [scriptedAdapter({ asked })]);
  const busy = await makeTenant(database.orm, newId());
  const other = await makeTenant(database.orm, newId());
  if (table === "live_action_policy")
    await setLiveActionPolicy(as(busy), { capability: "isolate_host", callsPerDay: 1_000 });
  await dispatch(busy, { params });
  const em = database.orm.em.fork();
  await em.begin();
  await em.execute(`select from ${table} where tenant_id = ? for update`, [busy.id]);
  const held: Promise<LiveActionDispatch>[] = [];
  for (let round = 0; round < 50; round += 1) {
    held.push(dispatch(busy, { params }));
    expect((await dispatch(other, { params })).status).toBe("SUCCEEDED");
  }
  expect(asked.filter(({ what }) => what === "execute")).toHaveLength(51);
  await em.commit();
  expect(new Set((await Promise.all(held)).map(({ status }) => status))).toEqual(new Set(["SUCCEEDED"]));
});

test("a dispatch reads from its statement as it does from the ORM", async () => {
  const { dispatch, row } = await dispatchWorld(database.orm, [scriptedAdapter({ asked: [] })]);
  const tenant = await makeTenant(database.orm, newId());
  const ended = await dispatch(tenant, { params: { ...params, note: 'A "word", two' }, caseId: "case-1" });
  expect(ended).toBeInstanceOf(LiveActionDispatch);
  expect({ ...ended }).toEqual({ ...(await row(ended.id)) });
});

test("of those that are written together, what is there already is left out, and counts nothing", async () => {
  const tenant = await makeTenant(database.orm, newId());
  await insertDispatch(database.orm.em.fork(), newDispatch(tenant.id, "first"));
  const rows = ["second", "first", "third", "third"].map((requestId) => newDispatch(tenant.id, requestId));
  const written = await insertDispatches(executePrepared(database.orm, tenant.id), rows, false);
  expect(written.map(({ dispatch }) => dispatch?.requestId)).toEqual(["second", undefined, "third", undefined]);
  const em = database.orm.em.fork();
  expect(await em.find(LiveActionUsage, { tenantId: tenant.id })).toMatchObject([{ calls: 3, cost: 3 }]);
  expect(await em.count(AuditEntry, { tenantId: tenant.id })).toBe(3);
});

test("what is written together is written in the same order by every node, so that none waits for another that waits", async () => {
  // A table of its own: in one that was written to before, rows stand where there is room.
  const fresh = await createTestDatabase();
  const tenant = await makeTenant(fresh.orm, newId());
  const undone = [newId(), newId(), newId()].toSorted();
  const rows = undone.map((rollbackOfId, index): NewDispatch => {
    const requestId = `request-${9 - index}`;
    return { ...newDispatch(tenant.id, requestId), operation: "rollbackLiveAction", rollbackOfId };
  });
  const plain = ["c", "a", "b"].map((requestId) => newDispatch(tenant.id, requestId));
  await insertDispatches(executePrepared(fresh.orm, tenant.id), [...rows.toReversed(), ...plain], false);
  const sql = "select rollback_of_id, request_id from live_action_dispatch where tenant_id = ? order by ctid";
  const written = await fresh.orm.em.fork().execute<{ rollback_of_id: string; request_id: string }[]>(sql, [tenant.id]);
  await fresh.close();
  expect(written.map((row) => row.rollback_of_id ?? row.request_id)).toEqual([...undone, "a", "b", "c"]);
});

test("a dispatch is found by its id, whatever the table held when the plan was made", async () => {
  const fresh = await createTestDatabase();
  const rows = await fresh.orm.em.fork().execute(`explain (generic_plan) ${completeStatement.text}`);
  await fresh.close();
  const plan = rows.map((row: object) => Object.values(row)[0]).join("\n");
  expect(plan).toMatch(/using live_action_dispatch_pkey on live_action_dispatch d .*\s+Index Cond: \(id = given\.id\)/);
  expect(plan).not.toContain("Seq Scan on live_action_dispatch");
});

test("what is remembered of a tenant is bounded, however long the names are that it is asked about", async () => {
  let reads = 0;
  const asking = () => async () => {
    reads += 1;
    return [{ said: '{"pinnedVendorId":null,"policies":null,"stored":null}' }] as never[];
  };
  const store = createDispatchStore({ asking, ending: asking, hasPeers: () => false });
  const secretName = "n".repeat(limits.governanceBytesMax / 16);
  const question = (index: number) => ({ tenantId: "acme", capability: `c${index}`, secretNames: [secretName] });
  for (let index = 0; index < 20; index += 1) await store.governance(question(index));
  await store.governance(question(19));
  expect(reads).toBe(20);
  await store.governance(question(0));
  expect(reads).toBe(21);
});
