import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditEntry } from "../../src/audit/entities.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { executePrepared } from "../../src/database/statement.ts";
import { dispatchLiveAction } from "../../src/live-actions/dispatch-live-action.ts";
import { insertStatement, type NewDispatch } from "../../src/live-actions/dispatch-rows.ts";
import { createDispatchStore, type DispatchStore } from "../../src/live-actions/dispatch-store.ts";
import { LiveActionDispatch, LiveActionUsage } from "../../src/live-actions/entities.ts";
import { governanceStatement } from "../../src/live-actions/governance.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, keyedAdapters } from "./adapters.ts";
import { type DispatchWorld, dispatchWorld } from "./dispatch-world.ts";

const capability = "isolate_host";
let database: TestDatabase;
let world: DispatchWorld;
const asked: Asked[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  world = await dispatchWorld(database.orm, keyedAdapters(asked, ["acme", "bolt"]));
});
afterAll(() => database.close());

const sql = (text: string, values: unknown[]) => database.orm.em.fork().execute(text, values);
const newPolicy = (tenant: Tenant, { cost = 0, vendorId = null as string | null, requireApproval = false } = {}) =>
  sql(
    `insert into live_action_policy (id, tenant_id, capability, vendor_id, require_approval, approvers, cost_per_call)
     values (?, ?, ?, ?, ?, ?, ?)`,
    [newId(), tenant.id, capability, vendorId, requireApproval, JSON.stringify([{ role: "lead" }]), cost],
  );
/** A tenant that has dispatched before, so that the node remembers what it says. */
async function knownTenant(): Promise<Tenant> {
  const tenant = await makeTenant(database.orm, newId());
  await world.put(tenant, { acme_key: "key-of-acme" });
  expect(await world.dispatch(tenant, {})).toMatchObject({ vendorId: "acme", status: "SUCCEEDED", cost: 0 });
  return tenant;
}

describe("what another node, or a person with psql, changed since a tenant's last dispatch counts for the next", () => {
  test("that people have to be asked", async () => {
    const tenant = await knownTenant();
    await newPolicy(tenant, { requireApproval: true });
    asked.length = 0;
    expect(await world.dispatch(tenant, {})).toMatchObject({ state: "AWAITING_APPROVAL" });
    expect(asked).toEqual([]);
    await sql("delete from live_action_policy where tenant_id = ?", [tenant.id]);
    expect(await world.dispatch(tenant, {})).toMatchObject({ status: "SUCCEEDED" });
  });

  test("what it costs", async () => {
    const tenant = await knownTenant();
    await newPolicy(tenant, { cost: 2.5 });
    expect(await world.dispatch(tenant, {})).toMatchObject({ status: "SUCCEEDED", cost: 2.5 });
    await newPolicy(tenant, { cost: 7, vendorId: "acme" });
    expect(await world.dispatch(tenant, {})).toMatchObject({ status: "SUCCEEDED", cost: 7 });
    await sql("update live_action_policy set cost_per_call = 1 where tenant_id = ?", [tenant.id]);
    expect(await world.dispatch(tenant, {})).toMatchObject({ status: "SUCCEEDED", cost: 1 });
  });

  test("how often it may be called", async () => {
    const tenant = await knownTenant();
    await newPolicy(tenant);
    await sql("update live_action_policy set calls_per_day = 1 where tenant_id = ?", [tenant.id]);
    expect(await world.dispatch(tenant, {})).toMatchObject({ status: "FAILED", error: "quota_exceeded" });
  });

  test("which vendor is meant, and whose credentials there are", async () => {
    const tenant = await knownTenant();
    await world.put(tenant, { bolt_key: "key-of-bolt" });
    expect(await world.dispatch(tenant, {})).toMatchObject({ error: "vendor_ambiguous" });
    await sql("insert into vendor_pin (id, tenant_id, capability, vendor_id) values (?, ?, ?, 'bolt')", [
      newId(),
      tenant.id,
      capability,
    ]);
    expect(await world.dispatch(tenant, {})).toMatchObject({ vendorId: "bolt", status: "SUCCEEDED" });
    expect(asked.at(-1)?.credentials).toEqual({ bolt_key: "key-of-bolt" });
    await sql("delete from secret where tenant_id = ? and name = 'bolt_key'", [tenant.id]);
    expect(await world.dispatch(tenant, {})).toMatchObject({ vendorId: "bolt", status: "SIMULATED" });
  });

  test("what a secret holds", async () => {
    const tenant = await knownTenant();
    await world.put(tenant, { acme_key: "another-key" });
    await world.dispatch(tenant, {});
    expect(asked.at(-1)?.credentials).toEqual({ acme_key: "another-key" });
  });

  test("for all that were asked for at once, each of which is one dispatch", async () => {
    const tenant = await knownTenant();
    await newPolicy(tenant, { cost: 3 });
    const targets = Array.from({ length: 40 }, (_, index) => `host-${index}`);
    const ended = await Promise.all(targets.map((target) => world.dispatch(tenant, { target })));
    expect(ended.map(({ target, status, cost }) => [target, status, cost])).toEqual(
      targets.map((target) => [target, "SUCCEEDED", 3]),
    );
    const em = database.orm.em.fork();
    expect(await em.find(LiveActionUsage, { tenantId: tenant.id })).toMatchObject([{ calls: 41, cost: 120 }]);
    expect(await em.count(AuditEntry, { tenantId: tenant.id, operation: "dispatchLiveAction" })).toBe(41);
  });
});

test("a dispatch comes to an end, decided once, however often its tenant changes its mind meanwhile", async () => {
  const tenant = await knownTenant();
  await newPolicy(tenant, { cost: 0 });
  const { store } = world.ports;
  let changes = 0;
  const restless: DispatchStore = {
    ...store,
    async insert(row) {
      changes += 1;
      await sql("update live_action_policy set cost_per_call = ? where tenant_id = ?", [changes, tenant.id]);
      return store.insert(row);
    },
  };
  const input = { capability, target: "host-1" };
  const ended = await dispatchLiveAction(world.as(tenant), { ...world.ports, store: restless }, input);
  // The last time it goes by what it read just before the change.
  expect(changes).toBe(limits.governanceChangesMax + 1);
  expect(ended).toMatchObject({ status: "SUCCEEDED", cost: limits.governanceChangesMax });
  expect(await database.orm.em.fork().count(LiveActionDispatch, { tenantId: tenant.id })).toBe(2);
});

test("of dispatches that are written together, those are written whose tenant says what they expect", async () => {
  const tenant = await makeTenant(database.orm, newId());
  await world.put(tenant, { acme_key: "key-of-acme" });
  const execute = () => executePrepared(database.orm, tenant.id);
  const store = createDispatchStore({ asking: execute, ending: execute, hasPeers: () => false });
  const question = { tenantId: tenant.id, capability, secretNames: ["acme_key", "bolt_key"] };
  const { said } = await store.governance(question);
  const row = (requestId: string, more: Partial<NewDispatch>): NewDispatch => ({
    ...{ id: newId(), tenantId: tenant.id, requestId, operation: "dispatchLiveAction", mode: "LIVE", cost: 1 },
    ...{ actor: { kind: "SYSTEM", name: "test" }, capability, vendorId: "acme", target: "host-1" },
    ...{ params: {}, givenCredentials: {}, caseId: undefined, requestedBy: undefined, inputHash: "0".repeat(64) },
    state: { name: "RUNNING", timeoutMs: 1_000 },
    ...more,
  });
  const secretNames = ["acme_key", "bolt_key"];
  const [right, wrong, unasked, needy] = await Promise.all([
    store.insert(row("right", { expected: { question, said } })),
    store.insert(row("wrong", { expected: { question, said: said.replace("acme_key", "bolt_key") } })),
    store.insert(row("unasked", {})),
    store.insert(row("needy", { expected: { question, said }, secretNames })),
  ]);
  expect(right).toMatchObject({ dispatch: { requestId: "right" }, isOutdated: false, sealedSecrets: undefined });
  expect(wrong).toMatchObject({ dispatch: undefined, isOutdated: true });
  expect(unasked).toMatchObject({ dispatch: { requestId: "unasked" }, isOutdated: false });
  expect(needy).toMatchObject({
    dispatch: { requestId: "needy" },
    sealedSecrets: [{ name: "acme_key", lastUsedAt: null }],
  });
  // What is there already is neither written nor expected otherwise, and no secret is read for it.
  const again = await store.insert(row("right", { expected: { question, said }, secretNames }));
  expect(again).toMatchObject({ dispatch: undefined, isOutdated: false, sealedSecrets: [] });
});

test("what a tenant says is found by indexes, whatever the tables held when the plan was made", async () => {
  const fresh = await createTestDatabase();
  const planOf = async (text: string) => {
    const rows = await fresh.orm.em.fork().execute<object[]>(`explain (generic_plan) ${text}`);
    return rows.map((row) => String(Object.values(row)[0])).join("\n");
  };
  const plans = [await planOf(governanceStatement.text), await planOf(insertStatement.text)];
  await fresh.close();
  for (const plan of plans) {
    expect(plan).toMatch(/using secret_tenant_id_name_unique on secret/);
    expect(plan).toMatch(/using live_action_policy_of on live_action_policy/);
    expect(plan).toMatch(/using vendor_pin_\w*capability\w* on vendor_pin/);
    expect(plan).not.toMatch(/Seq Scan on (secret|live_action_policy|vendor_pin)/);
  }
});
