import { describe, expect, onTestFinished, test } from "vitest";
import type { AdapterRequest } from "../../src/live-actions/adapter.ts";
import { VendorError } from "../../src/live-actions/vendor-http.ts";
import { scopeOf } from "../../src/live-actions/vendors/defender-api.ts";
import { isolateHost, runAvScan } from "../../src/live-actions/vendors/defender-hosts.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { type FakeAction, machineId, startDefender } from "./fakes/defender.ts";
import { tryAdapter } from "./try-adapter.ts";
import { tryDefender } from "./try-defender.ts";

const request: AdapterRequest = { requestId: "request-1", target: "host-77.corp.example", params: {} };
const signIn = "POST /login/contoso.example/oauth2/v2.0/token";
const lookUp = [signIn, "GET /api/machines", "GET /api/machineactions"];

describeAdapter(isolateHost, {
  startFake: startDefender,
  request,
  signIn,
  expectedCalls: [...lookUp, "POST /api/machines/{id}/isolate", "GET /api/machineactions/{id}"],
  expectedDetails: {
    machine_id: machineId,
    hostname: "host-77.corp.example",
    mde_action_id: "action-0",
    joined: false,
  },
  afterEffect: 1,
  rollback: {
    expectedCalls: [
      signIn,
      "GET /api/machineactions",
      "POST /api/machines/{id}/unisolate",
      "GET /api/machineactions/{id}",
    ],
    afterEffect: 1,
  },
});

describeAdapter(runAvScan, {
  startFake: startDefender,
  request: { ...request, params: { scan_type: "Quick" } },
  signIn,
  expectedCalls: [...lookUp, "POST /api/machines/{id}/runAntiVirusScan", "GET /api/machineactions/{id}"],
  expectedDetails: { machine_id: machineId, scan_type: "Quick", mde_action_id: "action-0" },
  afterEffect: 1,
});

const running: FakeAction = {
  id: "earlier",
  type: "Isolate",
  scope: "Full",
  machineId,
  requestorComment: "by hand",
  status: "Pending",
};

describe("a machine of Defender", () => {
  test("is found whatever the case of its name, and by its id", async () => {
    for (const target of ["HOST-77.corp.example", machineId, machineId.toUpperCase()]) {
      const { result } = await tryDefender(isolateHost, { ...request, target });
      expect(result).toMatchObject({ status: "SUCCEEDED", details: { machine_id: machineId } });
    }
  });

  test("is the only active one of its name", async () => {
    const old = { id: "a".repeat(40), computerDnsName: "host-77.corp.example", healthStatus: "Inactive" };
    const { result } = await tryDefender(isolateHost, request, { machines: [old] });
    expect(result).toMatchObject({ status: "SUCCEEDED", details: { machine_id: machineId } });
    const twin = { ...old, healthStatus: "Active" };
    const { fake, result: none } = await tryDefender(isolateHost, request, { machines: [twin] });
    expect(none).toMatchObject({ error: "ambiguous_target", details: { machine_ids: [machineId, twin.id] } });
    expect(fake.actions).toEqual([]);
  });

  test("may have quotes in its name", async () => {
    const machine = { id: "b".repeat(40), computerDnsName: "o'brien's.example", healthStatus: "Active" };
    const { result } = await tryDefender(
      isolateHost,
      { ...request, target: "O'Brien's.example" },
      { machines: [machine] },
    );
    expect(result).toMatchObject({ status: "SUCCEEDED", details: { machine_id: machine.id } });
  });

  test.each(["", " host", "host\n", "a\u2029b", "x".repeat(256)])("is never looked for by the name %j", (target) => {
    for (const adapter of [isolateHost, runAvScan]) {
      expect(adapter.check?.({ ...request, target })).toMatchObject({ error: "invalid_target" });
    }
  });
});

describe("an action of Defender on a machine", () => {
  test("is waited for, within a bound", async () => {
    const soon = await tryDefender(isolateHost, request, { looksUntilEnded: 3 });
    expect(soon.result).toMatchObject({ completion: "confirmed", details: { mde_action_status: "Succeeded" } });
    const late = await tryDefender(runAvScan, request, { ending: "InProgress" });
    expect(late.result).toMatchObject({
      status: "SUCCEEDED",
      completion: "accepted",
      details: { mde_action_status: "InProgress", scan_type: "Full" },
    });
  });

  test.each(["Failed", "TimeOut", "Cancelled"])("that ended as %s did not take effect", async (ending) => {
    for (const adapter of [isolateHost, runAvScan]) {
      const { result } = await tryDefender(adapter, request, { ending });
      expect(result).toMatchObject({
        status: "FAILED",
        error: "machine_action_failed",
        details: { mde_action_status: ending },
      });
    }
  });

  test("is followed where it is under way already", async () => {
    const ended = { ...running, id: "ended", status: "Succeeded" };
    const { fake, result } = await tryDefender(isolateHost, request, { actions: [ended, running] });
    expect(result).toMatchObject({ status: "SUCCEEDED", details: { mde_action_id: "earlier", joined: true } });
    expect(fake.actions).toHaveLength(2);
  });

  test("is asked for where an earlier one is over", async () => {
    const { fake } = await tryDefender(isolateHost, request, { actions: [{ ...running, status: "Succeeded" }] });
    expect(fake.actions.map(({ id }) => id)).toEqual(["earlier", "action-1"]);
  });

  test("is not taken for one of another kind", async () => {
    const quick = { ...running, type: "RunAntiVirusScan", scope: "Quick", status: "InProgress" };
    const { fake, result } = await tryDefender(runAvScan, request, { actions: [quick] });
    expect(result).toMatchObject({ error: "already_in_progress", details: { mde_action_id: "earlier" } });
    expect(fake.actions).toHaveLength(1);
  });

  test("says which live action it is of", async () => {
    const { fake } = await tryDefender(isolateHost, request);
    expect(fake.actions).toMatchObject([{ scope: "Full", requestorComment: "Riposte, live action request-1" }]);
  });

  test("is undone by what releases the machine", async () => {
    const { fake, undo } = await tryDefender(isolateHost, request);
    expect((await undo()).result).toMatchObject({ status: "SUCCEEDED", completion: "confirmed" });
    expect(fake.actions.map(({ type }) => type)).toEqual(["Isolate", "Unisolate"]);
  });

  test.each(["../indicators", "", machineId.slice(1), 7, null])("is not undone on the machine %j", async (id) => {
    const { fake, undo } = await tryDefender(isolateHost, request);
    fake.restart(undefined);
    expect((await undo({ machine_id: id })).result).toMatchObject({ status: "FAILED", error: "nothing_to_undo" });
    expect(fake.calls).toEqual([]);
  });

  test.each(["full", "Custom", "", 1, ["Full"]])("is no scan of the type %j", (scan_type) => {
    expect(runAvScan.check?.({ ...request, params: { scan_type } })).toMatchObject({ error: "invalid_params" });
  });
});

describe("the tenant of Defender", () => {
  test.each(["", ".", ".."])("is not %j", async (mde_tenant_id) => {
    const fake = await startDefender();
    onTestFinished(() => fake.close());
    const strange = { ...fake, credentials: { ...fake.credentials, mde_tenant_id } };
    const { thrown } = await tryAdapter({ adapter: isolateHost, request, fake: strange });
    expect(thrown).toBeInstanceOf(VendorError);
    expect(fake.calls).toEqual([]);
  });
});

test.each([
  ["https://eu.api.security.microsoft.com/", "https://api.securitycenter.microsoft.com/.default"],
  ["https://api-gcc.securitycenter.microsoft.us/", "https://api-gcc.securitycenter.microsoft.us/.default"],
  ["https://securitycenter.microsoft.us.evil.example/", "https://api.securitycenter.microsoft.com/.default"],
])("the API at %s is signed in to with the scope %s", (address, scope) => {
  expect(scopeOf(new URL(address))).toBe(scope);
});
