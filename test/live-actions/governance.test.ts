import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadInputError, NotFoundFailure, ValidationFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { listUsage } from "../../src/live-actions/list-usage.ts";
import { listPins, pinVendor } from "../../src/live-actions/pin-vendor.ts";
import { listPolicies, type PolicyInput, setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, keyedAdapters, scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, dispatchWorld } from "./dispatch-world.ts";

const capability = "isolate_host";
const day = 86_400_000;

let database: TestDatabase;
let world: DispatchWorld;
const asked: Asked[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  world = await dispatchWorld(database.orm, keyedAdapters(asked, ["acme", "bolt"]));
});
afterAll(() => database.close());

/** A tenant with the keys of these vendors. */
async function tenantWith(...vendors: string[]): Promise<Tenant> {
  const tenant = await makeTenant(database.orm, newId());
  await world.put(tenant, Object.fromEntries(vendors.map((vendor) => [`${vendor}_key`, `key-of-${vendor}`])));
  return tenant;
}
const pin = (tenant: Tenant, vendorId: string | null) =>
  pinVendor(world.as(tenant), world.ports.registry, { capability, vendorId });
const allow = (tenant: Tenant, input: Partial<PolicyInput>) =>
  setLiveActionPolicy(world.as(tenant), { capability, ...input });
const usage = (tenant: Tenant) =>
  listUsage(world.as(tenant), { from: new Date(Date.now() - day), to: new Date(Date.now() + day) });

describe("a request that names no vendor", () => {
  test("goes to the only one that has credentials", async () => {
    const tenant = await tenantWith("bolt");
    expect(await world.dispatch(tenant, {})).toMatchObject({ vendorId: "bolt", status: "SUCCEEDED" });
    const params = { acme_key: "given" };
    expect(await world.dispatch(await tenantWith(), { params })).toMatchObject({
      vendorId: "acme",
      status: "SUCCEEDED",
    });
  });

  test("is ambiguous where several have them, or none, and the choices are told", async () => {
    const several = await world.dispatch(await tenantWith("acme", "bolt"), {});
    expect(several).toMatchObject({ status: "FAILED", error: "vendor_ambiguous", vendorId: null });
    expect(several.details).toEqual({
      choices: [
        { vendor_id: "acme", configured: true },
        { vendor_id: "bolt", configured: true },
      ],
    });
    expect((await world.dispatch(await tenantWith(), {})).error).toBe("vendor_ambiguous");
  });

  test("goes to the pinned one, of this tenant, until the pin is taken away", async () => {
    const tenant = await tenantWith("acme", "bolt");
    await pin(tenant, "acme");
    expect(await pin(tenant, "bolt")).toEqual({ capability, vendorId: "bolt" });
    expect((await world.dispatch(tenant, {})).vendorId).toBe("bolt");
    expect((await world.dispatch(tenant, { vendorId: "acme" })).vendorId).toBe("acme");
    expect(await listPins(world.as(tenant))).toMatchObject([{ capability, vendorId: "bolt" }]);
    expect((await world.dispatch(await tenantWith("acme", "bolt"), {})).error).toBe("vendor_ambiguous");
    await pin(tenant, null);
    expect((await world.dispatch(tenant, {})).error).toBe("vendor_ambiguous");
    expect(await listPins(world.as(tenant))).toEqual([]);
  });

  test("can't be pinned to who has no adapter for it", async () => {
    await expect(pin(await tenantWith(), "nobody")).rejects.toThrow(NotFoundFailure);
    await expect(pin(await tenantWith(), "")).rejects.toThrow(ValidationFailure);
  });
});

describe("the policy of a capability", () => {
  test("keeps what is left out, and gives up what is null", async () => {
    const tenant = await tenantWith();
    await allow(tenant, { callsPerDay: 5, costPerCall: 1.5, requireApproval: true, approvers: [{ user: "alice" }] });
    const changed = await allow(tenant, { callsPerDay: null, budgetPerMonth: 10 });
    const expected = { vendorId: null, callsPerDay: null, costPerCall: 1.5, budgetPerMonth: 10, requireApproval: true };
    expect(changed).toMatchObject({ ...expected, approvers: [{ user: "alice" }] });
    await allow(tenant, { vendorId: "acme" });
    expect(await listPolicies(world.as(tenant))).toMatchObject([
      expected,
      { vendorId: "acme", requireApproval: false },
    ]);
  });

  test("is one, however many set it at once", async () => {
    const tenant = await tenantWith();
    await Promise.all(Array.from({ length: 8 }, (_, callsPerDay) => allow(tenant, { callsPerDay })));
    expect(await listPolicies(world.as(tenant))).toHaveLength(1);
  });

  test.each<[string, object]>([
    ["a negative bound", { callsPerDay: -1 }],
    ["a cost beyond all bounds", { costPerCall: 1e12 }],
    ["nobody to decide", { approvers: [] }],
    ["an approver that is nobody", { approvers: [{}] }],
    ["an approver that is two", { approvers: [{ role: "admin", user: "alice" }] }],
    ["no capability", { capability: "" }],
  ])("refuses %s", async (_what, input) => {
    await expect(allow(await tenantWith(), input)).rejects.toThrow(ValidationFailure);
  });
});

describe("cost and quota", () => {
  test("each call carries its cost, and is counted; what calls nobody is not", async () => {
    const tenant = await tenantWith("acme", "bolt");
    await allow(tenant, { costPerCall: 0.5 });
    await allow(tenant, { vendorId: "bolt", costPerCall: 2 });
    const requestId = newId();
    const input = { vendorId: "acme", requestId };
    expect((await world.dispatch(tenant, input)).cost).toBe(0.5);
    await world.dispatch(tenant, input);
    expect((await world.dispatch(tenant, { vendorId: "bolt" })).cost).toBe(2);
    await world.dispatch(tenant, { vendorId: "bolt" });
    expect((await world.dispatch(tenant, { vendorId: "acme", dryRun: true })).cost).toBe(0);
    await world.dispatch(tenant, { vendorId: "nobody" });
    expect(await usage(tenant)).toEqual([
      { vendorId: "acme", capability, calls: 1, cost: 0.5 },
      { vendorId: "bolt", capability, calls: 2, cost: 4 },
    ]);
    expect(await usage(await tenantWith())).toEqual([]);
  });

  test("are given back where it turns out that nobody was called", async () => {
    const answer = async () => ({ status: "SIMULATED", summary: "A placeholder.", details: {} }) as const;
    const idle = await dispatchWorld(database.orm, [scriptedAdapter({ credentials: [], answer })]);
    const tenant = await tenantWith();
    await allow(tenant, { callsPerDay: 1, costPerCall: 3, budgetPerMonth: 4 });
    for (const _time of [1, 2]) {
      const ended = await idle.dispatch(tenant, {});
      expect([ended, await idle.row(ended.id)]).toMatchObject(Array(2).fill({ status: "SIMULATED", cost: 0 }));
    }
    expect(await usage(tenant)).toEqual([]);
  });

  test("are given back where the credentials can't be opened, so that nobody was called", async () => {
    const tenant = await tenantWith("acme");
    await allow(tenant, { callsPerDay: 1, costPerCall: 3, budgetPerMonth: 4 });
    const param = { name: "acme_key", isRequired: true, isSecret: true, description: "" } as const;
    // Of a key of its own, by which the tenant's are not sealed.
    const stranger = await dispatchWorld(database.orm, [scriptedAdapter({ asked, credentials: [param] })]);
    const before = asked.length;
    for (const _time of [1, 2]) {
      const ended = await stranger.dispatch(tenant, {});
      expect([ended, await stranger.row(ended.id)]).toMatchObject(
        Array(2).fill({ status: "FAILED", error: "secrets_key_missing", cost: 0 }),
      );
    }
    expect([asked.length, await usage(tenant)]).toEqual([before, []]);
    expect(await world.dispatch(tenant, {})).toMatchObject({ status: "SUCCEEDED", cost: 3 });
  });

  test("are told of the days asked for only", async () => {
    const tenant = await tenantWith("acme");
    await world.dispatch(tenant, { vendorId: "acme" });
    const ctx = world.as(tenant);
    const [now, yesterday] = [new Date(), new Date(Date.now() - day)];
    expect(await listUsage(ctx, { from: yesterday, to: new Date(now.setUTCHours(0, 0, 0, 0)) })).toEqual([]);
    await expect(listUsage(ctx, { from: new Date(), to: yesterday })).rejects.toThrow(BadInputError);
  });

  test("refuse the call beyond the day's before the vendor is called", async () => {
    const tenant = await tenantWith("acme");
    await allow(tenant, { callsPerDay: 1 });
    await world.dispatch(tenant, { vendorId: "acme" });
    const before = asked.length;
    const refused = await world.dispatch(tenant, { vendorId: "acme" });
    expect(refused).toMatchObject({ status: "FAILED", error: "quota_exceeded", cost: 0, state: "COMPLETED" });
    expect(refused.details).toMatchObject({ calls_per_day: 1, calls_today: 1 });
    expect(asked).toHaveLength(before);
    expect(await usage(tenant)).toMatchObject([{ calls: 1 }]);
  });

  test("refuse what the month's budget does not hold any more, over all vendors where it is of all", async () => {
    const tenant = await tenantWith("acme", "bolt");
    await allow(tenant, { costPerCall: 4, budgetPerMonth: 10 });
    expect((await world.dispatch(tenant, { vendorId: "acme" })).status).toBe("SUCCEEDED");
    expect((await world.dispatch(tenant, { vendorId: "bolt" })).status).toBe("SUCCEEDED");
    expect((await world.dispatch(tenant, { vendorId: "bolt" })).error).toBe("quota_exceeded");
  });

  test("add up as people do: a budget of 0.3 holds three calls of 0.1", async () => {
    const tenant = await tenantWith("acme");
    await allow(tenant, { costPerCall: 0.1, budgetPerMonth: 0.3 });
    for (let call = 0; call < 3; call += 1) {
      expect((await world.dispatch(tenant, { vendorId: "acme" })).status).toBe("SUCCEEDED");
    }
    const refused = await world.dispatch(tenant, { vendorId: "acme" });
    expect(refused).toMatchObject({ error: "quota_exceeded", details: { cost_this_month: 0.3 } });
  });

  test("of one vendor leave the others alone, and forget what was before this day and month", async () => {
    const tenant = await tenantWith("acme", "bolt");
    await allow(tenant, { vendorId: "acme", callsPerDay: 1, costPerCall: 1, budgetPerMonth: 1 });
    await world.dispatch(tenant, { vendorId: "acme" });
    expect((await world.dispatch(tenant, { vendorId: "acme" })).error).toBe("quota_exceeded");
    expect((await world.dispatch(tenant, { vendorId: "bolt" })).status).toBe("SUCCEEDED");
    await database.orm.em
      .fork()
      .execute("update live_action_usage set day = day - 40 where tenant_id = ?", [tenant.id]);
    expect((await world.dispatch(tenant, { vendorId: "acme" })).status).toBe("SUCCEEDED");
  });

  test("are never exceeded, however many call at once", async () => {
    const tenant = await tenantWith("acme");
    await allow(tenant, { callsPerDay: 3 });
    const ended = await Promise.all(Array.from({ length: 12 }, () => world.dispatch(tenant, { vendorId: "acme" })));
    expect(ended.filter(({ status }) => status === "SUCCEEDED")).toHaveLength(3);
    expect(ended.filter(({ error }) => error === "quota_exceeded")).toHaveLength(9);
    expect(await usage(tenant)).toMatchObject([{ calls: 3 }]);
  });
});
