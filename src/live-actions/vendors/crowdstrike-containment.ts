import { z } from "zod";
import type { Json } from "../../core/json.ts";
import type { Adapter, AdapterCall, AdapterResult } from "../adapter.ts";
import { awaitCompletion } from "../await-completion.ts";
import { failed } from "../vendor-answer.ts";
import { callFalcon, checkHost, falconCredentials, findDevice, readDevice } from "./crowdstrike-api.ts";

/**
 * Falcon's network containment: the host speaks with the Falcon cloud only.
 * @see Actions `contain` and `lift_containment`, device status: PSFalcon wiki (Invoke-FalconHostAction) and gofalcon, 2026-11.
 */
export const isolateHost: Adapter = {
  vendorId: "crowdstrike",
  capability: "isolate_host",
  description:
    "Cuts a host off the network but for the Falcon cloud (network containment). The target is a host name or a device id.",
  credentials: falconCredentials,
  impact: "HIGH",
  reversedBy: "unisolate_host",
  isIdempotent: true,
  timeoutMs: 120_000,
  check: ({ target }) => checkHost(target),
  preview: ({ target }) => ({ hostname: target, action: "contain", isolation_id: `SIM-ISO-${target}` }),
  async execute(call) {
    const device = await findDevice(call, call.target);
    if ("error" in device) return device;
    const subject = { device_id: device.id, hostname: device.hostname, previous_status: device.containment };
    const isUnderWay = ["contained", "containment_pending"].includes(device.containment);
    const response = isUnderWay ? null : await act(call, "contain", device.id);
    const { status, completion, warnings } = await settle(call, device.id, "contained");
    const done = device.containment === "contained" ? "was contained already" : "is contained";
    return {
      status: "SUCCEEDED",
      summary:
        completion === "confirmed"
          ? `${device.hostname} ${done}.`
          : `Falcon accepted to contain ${device.hostname}; the host has not confirmed it yet.`,
      details: { ...subject, action: "contain", device_status: status, response },
      completion,
      warnings,
    };
  },
  async rollback(call, details) {
    const { device_id: id, hostname, previous_status: previous } = details;
    if (typeof id !== "string" || !/^[0-9a-f]{32}$/.test(id)) {
      return failed("nothing_to_undo", "The details do not say which device was contained.");
    }
    const name = typeof hostname === "string" && hostname !== "" ? hostname : id;
    if (previous === "contained" || previous === "containment_pending") {
      return failed("nothing_to_undo", `${name} was contained before, by somebody else: it stays so.`, {
        device_id: id,
      });
    }
    return liftContainment(call, { id, name });
  },
};

async function liftContainment(call: AdapterCall, device: { id: string; name: string }): Promise<AdapterResult> {
  const before = await readDevice(call, device.id);
  const response = before.containment === "normal" ? null : await act(call, "lift_containment", device.id);
  const { status, completion, warnings } = await settle(call, device.id, "normal");
  return {
    status: "SUCCEEDED",
    summary:
      completion === "confirmed"
        ? `${device.name} is no longer contained.`
        : `Falcon accepted to lift the containment of ${device.name}; the host has not confirmed it yet.`,
    details: {
      device_id: device.id,
      hostname: device.name,
      action: "lift_containment",
      device_status: status,
      response,
    },
    completion,
    warnings,
  };
}

/** @returns What Falcon accepted: for each device its id. */
async function act(call: AdapterCall, action: "contain" | "lift_containment", id: string): Promise<Json> {
  const { resources } = await callFalcon(
    call,
    {
      method: "POST",
      path: "/devices/entities/devices-actions/v2",
      query: { action_name: action },
      json: { ids: [id] },
    },
    z.object({ resources: z.array(z.object({ id: z.literal(id) })).min(1) }),
  );
  return resources.map((resource) => ({ id: resource.id }));
}

async function settle(call: AdapterCall, id: string, wanted: "contained" | "normal") {
  const { last, isOver, warnings } = await awaitCompletion(call.http, () => readDevice(call, id), {
    isOver: ({ containment }) => containment === wanted,
  });
  return { status: last?.containment ?? "unknown", completion: completionOf(isOver), warnings };
}

function completionOf(isOver: boolean): "confirmed" | "accepted" {
  return isOver ? "confirmed" : "accepted";
}
