// The part of the contract suite (adapter-contract.ts) that a dispatch sees to: an adapter by the way of its callers, with the vendor's fake at
// the other end.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { createEgressPolicy } from "../../src/executors/egress.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { missingOf } from "../../src/live-actions/credentials.ts";
import type { PerformerPorts } from "../../src/live-actions/performer.ts";
import { rollbackLiveAction } from "../../src/live-actions/rollback-live-action.ts";
import { TokenCache } from "../../src/live-actions/token-cache.ts";
import { createVendorHttp } from "../../src/live-actions/vendor-http.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type AdapterContract, start } from "./adapter-attempts.ts";
import { dispatchWorld } from "./dispatch-world.ts";
import type { Behaviour, Fault } from "./fakes/vendor-fake.ts";
import { secretsOf } from "./try-adapter.ts";

const egress = createEgressPolicy({ allow: ["127.0.0.0/8"], deny: [], private: "deny" });

/** What a dispatch of the adapter comes to. */
export function describeDispatches(adapter: Adapter, contract: AdapterContract): void {
  describe("dispatched", () => {
    let database: TestDatabase;
    beforeAll(async () => {
      database = await createTestDatabase();
    });
    afterAll(() => database.close());
    const office = (behaviour?: Behaviour) =>
      openOffice(database, { adapter, contract, ...(behaviour && { behaviour }) });
    describeResults(contract, office);
    describeSimulations({ adapter, contract }, office);
    describeUndoing({ adapter, contract }, office);
  });
}

type Office = (behaviour?: Behaviour) => ReturnType<typeof openOffice>;

interface OfficeParts {
  readonly adapter: Adapter;
  readonly contract: AdapterContract;
  readonly behaviour?: Behaviour;
}

/** A tenant and a vendor of one's own. */
async function openOffice(database: TestDatabase, { adapter, contract, behaviour }: OfficeParts) {
  const fake = await start(contract, behaviour);
  const calls: string[] = [];
  const noted: Adapter = {
    ...adapter,
    execute: (call) => {
      calls.push("execute");
      return adapter.execute(call);
    },
  };
  const tokens = new TokenCache();
  const openHttp: PerformerPorts["openHttp"] = (options) => {
    const http = createVendorHttp({ ...options, egress, tokens });
    // Nobody waits for what a fake completes later.
    return { ...http, sleep: async () => options.signal.throwIfAborted() };
  };
  const world = await dispatchWorld(database.orm, [noted], { openHttp });
  const tenant = await makeTenant(database.orm, newId());
  const { capability, vendorId } = adapter;
  const { target, params } = contract.request;
  const dispatch = (input: Parameters<typeof world.dispatch>[1] = {}) =>
    world.dispatch(tenant, { capability, vendorId, target, params, ...input });
  const put = (credentials: Readonly<Record<string, string>>) => world.put(tenant, credentials);
  const rollBack = (requestId: string) => rollbackLiveAction(world.as(tenant), world.ports, { requestId });
  return { fake, calls, dispatch, put, rollBack, opened: world.opened };
}

function describeResults({ request, expectedCalls, expectedDetails }: AdapterContract, office: Office): void {
  const [at = ""] = expectedCalls;
  const first = (kind: Fault["kind"]): Behaviour => ({ fault: { kind, at, from: 0 } });

  test("succeeds with what the tenant has stored, and shows what was done", async () => {
    const { fake, dispatch, put, calls } = await office();
    await put(fake.credentials);
    const ended = await dispatch({ requestId: request.requestId });
    expect(ended).toMatchObject({ status: "SUCCEEDED", error: null, details: expectedDetails });
    expect([calls, fake.calls.map(({ name }) => name)]).toEqual([["execute"], expectedCalls]);
  });

  test.each([
    ["refused", { status: 403 }],
    ["broken", { status: 500 }],
    ["garbled", {}],
  ] as const)("fails with the vendor's own status and words where it is %s", async (kind, said) => {
    const { fake, dispatch, put } = await office(first(kind));
    await put(fake.credentials);
    const ended = await dispatch();
    expect(ended).toMatchObject({ status: "FAILED", error: "vendor_error", details: { message: expect.any(String) } });
    expect(ended.details).toMatchObject(said);
    if (kind === "refused") expect(ended.details).toHaveProperty("body");
  });

  test("fails where nobody listens, and where nobody answers", async () => {
    const { fake, dispatch, put } = await office(first("silent"));
    await put(fake.credentials);
    expect(await dispatch({ timeoutMs: 50 })).toMatchObject({ status: "FAILED", error: "vendor_timeout" });
    await fake.close();
    expect(await dispatch()).toMatchObject({ status: "FAILED", error: "connection_refused" });
  });
}

function describeSimulations({ adapter, contract }: OfficeParts, office: Office): void {
  test("is simulated without credentials, and with any that it requires left out, and reaches nobody", async () => {
    const { fake, dispatch, calls } = await office();
    const names = Object.keys(fake.credentials);
    const without = (name: string) => names.filter((one) => one !== name);
    const needed = names.filter((name) => missingOf(adapter, new Set(without(name))).length > 0);
    expect(needed.length).toBeGreaterThan(0);
    const parts = [[], ...needed.map(without)];
    for (const part of parts) {
      const given = Object.fromEntries(part.map((name) => [name, fake.credentials[name] as string]));
      const ended = await dispatch({ params: { ...contract.request.params, ...given } });
      expect(ended).toMatchObject({ status: "SIMULATED", error: null, cost: 0 });
      expect(ended.details).toMatchObject({ note: expect.stringMatching(/^Simulation mode/) });
      const { missing_credentials: missing } = ended.details as { missing_credentials: readonly string[] };
      expect(missing.length).toBeGreaterThan(0);
      expect(missing.filter((name) => part.includes(name))).toEqual([]);
    }
    expect([calls, fake.connectionCount()]).toEqual([[], 0]);
  });

  test("is simulated in a dry run, and neither called nor connected nor given a secret, though all are there", async () => {
    const { fake, dispatch, put, calls, opened } = await office();
    await put(fake.credentials);
    const ended = await dispatch({ dryRun: true, params: { ...contract.request.params, ...fake.credentials } });
    expect(ended).toMatchObject({ mode: "DRY_RUN", status: "SIMULATED", error: null, cost: 0 });
    expect(ended.details).toMatchObject(adapter.preview(contract.request));
    const shown = JSON.stringify(ended);
    for (const secret of secretsOf(adapter, fake.credentials)) expect(shown).not.toContain(secret);
    expect([calls, opened, fake.connectionCount()]).toEqual([[], [], 0]);
  });
}

function describeUndoing({ adapter, contract }: OfficeParts, office: Office): void {
  test(adapter.rollback ? "is undone by its request id, once" : "can't be undone, and says why", async () => {
    const { fake, dispatch, put, rollBack } = await office();
    await put(fake.credentials);
    const { requestId } = contract.request;
    const { id } = await dispatch({ requestId });
    if (!adapter.rollback) {
      const message = expect.stringContaining(adapter.irreversible ?? "");
      await expect(rollBack(requestId)).rejects.toMatchObject({ code: "irreversible", message });
      return;
    }
    const { dispatch: undone, rolledBack } = await rollBack(requestId);
    expect(undone).toMatchObject({ status: "SUCCEEDED", rollbackOfId: id });
    expect(rolledBack.id).toBe(id);
    await expect(rollBack(requestId)).rejects.toMatchObject({ code: "rolled_back" });
  });
}
