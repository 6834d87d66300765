import type { Adapter } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";
import { defenderCredentials } from "./defender-api.ts";
import { act } from "./defender-machine-actions.ts";
import { checkMachine, findMachine, machineIdPattern } from "./defender-machines.ts";

/** @see learn.microsoft.com/defender-endpoint/api/isolate-machine and …/unisolate-machine, 2026-11. */
export const isolateHost: Adapter = {
  vendorId: "defender",
  capability: "isolate_host",
  description:
    "Cuts a machine off the network but for Defender's own service (full isolation). The target is its DNS name in full, or its id.",
  credentials: defenderCredentials,
  impact: "HIGH",
  reversedBy: "unisolate_host",
  isIdempotent: true,
  timeoutMs: 120_000,
  check: ({ target }) => checkMachine(target),
  preview: ({ target }) => ({ hostname: target, isolation_type: "Full", isolation_id: `SIM-ISO-${target}` }),
  async execute(call) {
    const machine = await findMachine(call, call.target);
    if ("error" in machine) return machine;
    return act(call, machine, {
      type: "Isolate",
      verb: "isolate",
      scope: "Full",
      json: { IsolationType: "Full" },
      words: { toDo: "isolate", done: "is isolated" },
    });
  },
  async rollback(call, { machine_id: id, hostname }) {
    if (typeof id !== "string" || !machineIdPattern.test(id)) {
      return failed("nothing_to_undo", "The details do not say which machine was isolated.");
    }
    const machine = { id, name: typeof hostname === "string" && hostname !== "" ? hostname : id };
    return act(call, machine, {
      type: "Unisolate",
      verb: "unisolate",
      json: {},
      words: { toDo: "release", done: "is no longer isolated" },
    });
  },
};

const scanTypes: readonly unknown[] = ["Quick", "Full"];

/** @see learn.microsoft.com/defender-endpoint/api/run-av-scan, 2026-11. */
export const runAvScan: Adapter = {
  vendorId: "defender",
  capability: "run_av_scan",
  description:
    "Starts a scan of Microsoft Defender Antivirus on a machine; `scan_type` is Full (by default) or Quick. A full one takes hours, so its " +
    "end is mostly not waited for.",
  credentials: defenderCredentials,
  impact: "LOW",
  isIdempotent: true,
  timeoutMs: 120_000,
  irreversible: "A scan changes nothing that could be undone. What it quarantined is restored in Defender.",
  check: ({ target, params }) => {
    const problem = checkMachine(target);
    if (problem || scanTypes.includes(params["scan_type"] ?? "Full")) return problem;
    return { error: "invalid_params", message: "scan_type is Quick or Full." };
  },
  preview: ({ target, params }) => ({ hostname: target, scan_type: params["scan_type"] ?? "Full" }),
  async execute(call) {
    const scope = call.params["scan_type"] === "Quick" ? "Quick" : "Full";
    const machine = await findMachine(call, call.target);
    if ("error" in machine) return machine;
    const result = await act(call, machine, {
      type: "RunAntiVirusScan",
      verb: "runAntiVirusScan",
      scope,
      json: { ScanType: scope },
      words: { toDo: `scan (${scope.toLowerCase()})`, done: "was scanned" },
    });
    return { ...result, details: { ...result.details, scan_type: scope } };
  },
};
