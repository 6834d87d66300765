import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { dispatchLiveAction } from "../../src/live-actions/dispatch-live-action.ts";
import type { DispatchStore } from "../../src/live-actions/dispatch-store.ts";
import { rollbackLiveAction } from "../../src/live-actions/rollback-live-action.ts";
import { type PolicyInput, setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, dispatchWorld } from "./dispatch-world.ts";

const capability = "isolate_host";
const approvers = [{ role: "security_lead" }];
const asked: Asked[] = [];
let database: TestDatabase;
let world: DispatchWorld;
beforeAll(async () => {
  database = await createTestDatabase();
  const rollback = async () => {
    asked.push({ what: "rollback", request: { requestId: "", target: "", params: {} } });
    return { status: "SUCCEEDED", summary: "Let go.", details: {} } as const;
  };
  world = await dispatchWorld(database.orm, [scriptedAdapter({ asked, rollback, credentials: [] })]);
});
afterAll(() => database.close());

async function tenantWith(policy?: Partial<PolicyInput>): Promise<Tenant> {
  const tenant = await makeTenant(database.orm, newId());
  if (policy) await setLiveActionPolicy(world.as(tenant), { capability, ...policy });
  asked.length = 0;
  return tenant;
}

/** What `work` comes to where somebody who holds the policy lets go of it, changed, once `work` waits for that. */
async function behindChange<Result>(tenant: Tenant, assignment: string, work: () => Promise<Result>): Promise<Result> {
  const em = database.orm.em.fork();
  await em.begin();
  await em.execute(`update live_action_policy set ${assignment} where tenant_id = ?`, [tenant.id]);
  const held = work();
  const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await expect.poll(async () => (await database.orm.em.fork().execute<object[]>(waiting)).length).toBe(1);
  await em.commit();
  return held;
}

/** The world's store, which has the tenant's policy set before anything is written. */
function storeBehind(tenant: Tenant, policy: Partial<PolicyInput>): DispatchStore {
  const { store } = world.ports;
  return {
    ...store,
    async insert(row) {
      await setLiveActionPolicy(world.as(tenant), { capability, ...policy });
      return store.insert(row);
    },
  };
}

describe("a policy that asks people first, set while a call is about to be written down, asks them", () => {
  test("where the call waits for the policy, whose budget it counts against", async () => {
    const tenant = await tenantWith({ callsPerDay: 5, requireApproval: false });
    const dispatch = await behindChange(tenant, "require_approval = true", () => world.dispatch(tenant, {}));
    expect(dispatch).toMatchObject({ state: "AWAITING_APPROVAL", cost: 0 });
    expect(asked).toEqual([]);
  });

  test("and what a call costs by then is counted", async () => {
    const tenant = await tenantWith({ budgetPerMonth: 10, costPerCall: 1 });
    const costly = await behindChange(tenant, "cost_per_call = 11", () => world.dispatch(tenant, {}));
    expect(costly).toMatchObject({ status: "FAILED", error: "quota_exceeded" });
    const dear = await behindChange(tenant, "cost_per_call = 7", () => world.dispatch(tenant, {}));
    expect(dear).toMatchObject({ status: "SUCCEEDED", cost: 7 });
  });

  test("also about a rollback", async () => {
    const tenant = await tenantWith();
    const { requestId } = await world.dispatch(tenant, {});
    asked.length = 0;
    const ports = { ...world.ports, store: storeBehind(tenant, { requireApproval: true, approvers }) };
    const { dispatch } = await rollbackLiveAction(world.as(tenant), ports, { requestId });
    expect(dispatch).toMatchObject({ state: "AWAITING_APPROVAL" });
    expect(asked).toEqual([]);
  });

  test("also about a rollback that waits for the policy", async () => {
    const tenant = await tenantWith({ callsPerDay: 5, requireApproval: false });
    const { requestId } = await world.dispatch(tenant, {});
    asked.length = 0;
    const { dispatch } = await behindChange(tenant, "require_approval = true", () =>
      rollbackLiveAction(world.as(tenant), world.ports, { requestId }),
    );
    expect(dispatch).toMatchObject({ state: "AWAITING_APPROVAL" });
    expect(asked).toEqual([]);
  });
});

test("of approvers who were changed while a question to them is about to be written down, the new ones are asked", async () => {
  const tenant = await tenantWith({ requireApproval: true, approvers });
  const { store } = world.ports;
  const changing: DispatchStore = {
    ...store,
    async governance(question) {
      const governance = await store.governance(question);
      await setLiveActionPolicy(world.as(tenant), { capability, approvers: [{ role: "ciso" }] });
      return governance;
    },
  };
  const input = { capability, target: "host-1" };
  const dispatch = await dispatchLiveAction(world.as(tenant), { ...world.ports, store: changing }, input);
  expect(dispatch).toMatchObject({ state: "AWAITING_APPROVAL" });
  const sql = "select approvers from approval where dispatch_id = ?";
  const rows = await database.orm.em.fork().execute<object[]>(sql, [dispatch.id]);
  expect(rows).toEqual([{ approvers: [{ role: "ciso" }] }]);
});
