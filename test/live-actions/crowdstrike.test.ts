import { describe, expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { VendorError } from "../../src/live-actions/vendor-http.ts";
import { crowdstrike } from "../../src/live-actions/vendors/crowdstrike.ts";
import { isolateHost } from "../../src/live-actions/vendors/crowdstrike-containment.ts";
import { quarantineFile } from "../../src/live-actions/vendors/crowdstrike-files.ts";
import { killProcess } from "../../src/live-actions/vendors/crowdstrike-processes.ts";
import { runScript } from "../../src/live-actions/vendors/crowdstrike-scripts.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { fileSha256, hostId, startFalcon } from "./fakes/crowdstrike.ts";
import { tryAdapter } from "./try-adapter.ts";
import { request, tryFalcon } from "./try-falcon.ts";

const signIn = "POST /oauth2/token";
const lookUp = [signIn, "GET /devices/queries/devices/v1", "GET /devices/entities/devices/v2"];
const rtr = "/real-time-response/combined";

describeAdapter(isolateHost, {
  startFake: startFalcon,
  request,
  signIn,
  expectedCalls: [...lookUp, "POST /devices/entities/devices-actions/v2 contain", "GET /devices/entities/devices/v2"],
  expectedDetails: {
    device_id: hostId,
    hostname: "host-77",
    action: "contain",
    previous_status: "normal",
    device_status: "contained",
  },
  afterEffect: 1,
  rollback: {
    expectedCalls: [
      signIn,
      "GET /devices/entities/devices/v2",
      "POST /devices/entities/devices-actions/v2 lift_containment",
      "GET /devices/entities/devices/v2",
    ],
    afterEffect: 1,
  },
});

describeAdapter(quarantineFile, {
  startFake: startFalcon,
  request: { ...request, params: { file_path: "C:\\Users\\x y\\evil.exe" } },
  signIn,
  expectedCalls: [
    ...lookUp,
    `POST ${rtr}/batch-init-session/v1`,
    `POST ${rtr}/batch-get-command/v1`,
    `GET ${rtr}/batch-get-command/v1`,
    `POST ${rtr}/batch-active-responder-command/v1`,
  ],
  expectedDetails: { device_id: hostId, file_path: "C:\\Users\\x y\\evil.exe", sha256: fileSha256, size: 1234 },
});

describeAdapter(killProcess, {
  startFake: startFalcon,
  request: { ...request, params: { pid: 4711, process_name: "evil.exe" } },
  signIn,
  expectedCalls: [...lookUp, `POST ${rtr}/batch-init-session/v1`, `POST ${rtr}/batch-active-responder-command/v1`],
  expectedDetails: { device_id: hostId, pid: 4711, process_name: "evil.exe" },
});

describeAdapter(runScript, {
  startFake: startFalcon,
  request: { ...request, params: { script_name: "Collect Logs", script_args: "-Path C:\\temp -Force" } },
  signIn,
  expectedCalls: [...lookUp, `POST ${rtr}/batch-init-session/v1`, `POST ${rtr}/batch-admin-command/v1`],
  expectedDetails: { device_id: hostId, script_name: "Collect Logs" },
});

describe("a device of Falcon", () => {
  test("is the one of that name, not one that is found for it", async () => {
    const { fake } = await tryFalcon(isolateHost);
    expect(fake.devices.map(({ hostname, status }) => [hostname, status])).toEqual([
      ["host-770", "normal"],
      ["host-77", "contained"],
    ]);
  });

  test("is found whatever the case of its name, and by its id", async () => {
    for (const target of ["HOST-77", hostId, hostId.toUpperCase()]) {
      const { result } = await tryFalcon(isolateHost, {}, { target });
      expect(result).toMatchObject({ status: "SUCCEEDED", details: { device_id: hostId, hostname: "host-77" } });
    }
  });

  test("is not guessed where several have its name", async () => {
    const twin = { device_id: "0c".repeat(16), hostname: "host-77", platform_name: "Mac", status: "normal" };
    const { fake, result } = await tryFalcon(isolateHost, {}, { devices: [twin] });
    expect(result).toMatchObject({ error: "ambiguous_target", details: { device_ids: [hostId, twin.device_id] } });
    expect(fake.devices.every(({ status }) => status === "normal")).toBe(true);
  });

  test("may have quotes and backslashes in its name", async () => {
    const hostname = "o'brien\\'s mac";
    const device = { device_id: "0d".repeat(16), hostname, platform_name: "Mac", status: "normal" };
    const { result } = await tryFalcon(isolateHost, {}, { devices: [device], target: hostname });
    expect(result).toMatchObject({ status: "SUCCEEDED", details: { device_id: device.device_id } });
  });

  test.each(["host-*", "*", "", " host-77", "host-77\n", "a\u2028b", "x".repeat(256)])(
    "is never looked for by the name %j",
    (target) => {
      for (const adapter of crowdstrike) {
        const params = { pid: 4711, file_path: "/tmp/evil", ...(adapter === runScript && { script_name: "x" }) };
        expect(adapter.check?.({ ...request, target, params })).toMatchObject({ error: "invalid_target" });
      }
    },
  );
});

describe("a containment by Falcon", () => {
  test("is accepted until the device says so, within a bound", async () => {
    const { result } = await tryFalcon(isolateHost, {}, { looksUntilSettled: 3 });
    expect(result).toMatchObject({ completion: "confirmed", details: { device_status: "contained" } });
    const { result: later } = await tryFalcon(isolateHost, {}, { looksUntilSettled: 1_000 });
    expect(later).toMatchObject({
      status: "SUCCEEDED",
      completion: "accepted",
      details: { device_status: "containment_pending" },
    });
  });

  test.each(["contained", "containment_pending"])(
    "is not asked for again where it is %s, nor lifted",
    async (status) => {
      const { fake, result } = await tryFalcon(isolateHost, {}, { hostStatus: status, looksUntilSettled: 1 });
      expect(result).toMatchObject({
        status: "SUCCEEDED",
        completion: "confirmed",
        details: { previous_status: status },
      });
      expect(fake.calls.some(({ name }) => name.includes("devices-actions"))).toBe(false);
      const details = (result as { details: JsonObject }).details;
      const undone = await tryAdapter({
        ...{ adapter: isolateHost, request, fake },
        invoke: (call) => isolateHost.rollback!(call, details),
      });
      expect(undone.result).toMatchObject({ status: "FAILED", error: "nothing_to_undo" });
      expect(fake.devices.find(({ device_id }) => device_id === hostId)?.status).toBe("contained");
    },
  );

  test("that Falcon answers with errors is none, whatever the status says", async () => {
    const { thrown } = await tryFalcon(isolateHost, {}, { refusesContainment: true });
    expect(thrown).toMatchObject({ name: "VendorError", message: expect.stringContaining("409 the sensor can't") });
  });

  test.each(["../../admin", "", "0A", 7, null])("is not lifted from the device %j", async (id) => {
    const fake = await startFalcon();
    onTestFinished(() => fake.close());
    const invoke: Adapter["execute"] = (call) => isolateHost.rollback!(call, { device_id: id });
    const { result } = await tryAdapter({ adapter: isolateHost, request, fake, invoke });
    expect(result).toMatchObject({ status: "FAILED", error: "nothing_to_undo" });
    expect(fake.calls).toEqual([]);
  });
});

describe("the address of Falcon", () => {
  test.each(["api.crowdstrike.com", "ftp://x", "http://user:pw@127.0.0.1", "http://127.0.0.1/?a=1", "not a url"])(
    "is not %j",
    async (cs_base_url) => {
      const fake = await startFalcon();
      onTestFinished(() => fake.close());
      const strange = { ...fake, credentials: { ...fake.credentials, cs_base_url } };
      const { thrown } = await tryAdapter({ adapter: isolateHost, request, fake: strange });
      expect(thrown).toBeInstanceOf(VendorError);
      expect((thrown as Error).message).toContain("cs_base_url is no address");
    },
  );
});
