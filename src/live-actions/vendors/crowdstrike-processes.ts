import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterRequest } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";
import { checkHost, falconCredentials, findDevice } from "./crowdstrike-api.ts";
import { openSession, runCommand, subjectOf } from "./crowdstrike-rtr.ts";

/** @see `kill <pid>` is a command of active responders: PSFalcon wiki (Invoke-FalconResponderCommand), 2026-11. */
export const killProcess: Adapter = {
  vendorId: "crowdstrike",
  capability: "kill_process",
  description:
    "Ends a process of a host by its `pid` (Real Time Response, kill). The target is the host. " +
    "`process_name` is recorded only: a system gives a pid to another process when the first has ended.",
  credentials: falconCredentials,
  impact: "MODERATE",
  isIdempotent: false,
  timeoutMs: 180_000,
  irreversible: "A process that was ended can't be continued. It can be started again on the host.",
  check: ({ target, params }) => {
    const problem = checkHost(target);
    if (problem || pidOf(params["pid"]) !== undefined) return problem;
    const message = "pid is the number of the process to end, above 4: what is below is the system itself.";
    return { error: "invalid_params", message };
  },
  preview: (request) => ({ hostname: request.target, ...processOf(request) }),
  async execute(call) {
    const device = await findDevice(call, call.target);
    if ("error" in device) return device;
    const pid = pidOf(call.params["pid"]);
    if (pid === undefined) return failed("invalid_params", "pid is missing.");
    const session = await openSession(call, device);
    if ("error" in session) return session;
    const details = { ...subjectOf(device), ...processOf(call) };
    const outcome = await runCommand(call, session, {
      level: "active-responder",
      baseCommand: "kill",
      line: `kill ${pid}`,
      waitSeconds: limits.rtrCommandSeconds,
    });
    if ("error" in outcome) return outcome;
    const { isComplete, stdout, stderr, warnings } = outcome;
    if (stderr !== "") {
      return failed("command_failed", `${device.hostname} did not end process ${pid}.`, {
        ...details,
        message: stderr,
      });
    }
    return {
      status: "SUCCEEDED",
      summary: isComplete
        ? `${device.hostname} ended process ${pid}.`
        : `${device.hostname} was told to end process ${pid}, and has not confirmed it yet.`,
      details: { ...details, response: { stdout } },
      completion: isComplete ? "confirmed" : "accepted",
      warnings,
    };
  },
};

/** The number of a process, given as a number or in digits; 32 bits on Windows. */
function pidOf(value: unknown): number | undefined {
  const pid = typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : value;
  return typeof pid === "number" && Number.isInteger(pid) && pid > 4 && pid < 2 ** 32 ? pid : undefined;
}

function processOf({ params }: AdapterRequest) {
  const name = params["process_name"];
  return { pid: pidOf(params["pid"]) ?? null, ...(typeof name === "string" && { process_name: name }) };
}
