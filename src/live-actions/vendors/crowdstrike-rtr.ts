import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { AdapterCall } from "../adapter.ts";
import { awaitCompletion } from "../await-completion.ts";
import { type FailedResult, failed } from "../vendor-answer.ts";
import { VendorError } from "../vendor-http.ts";
import { callFalcon, type Device, falconErrors, said } from "./crowdstrike-api.ts";

/**
 * Real Time Response with one host, through the batch API.
 * @see The requests and answers: gofalcon's models and Falcon-Toolkit, 2026-11.
 */
export interface RtrSession {
  readonly batchId: string;
  readonly device: Device;
}

/** What became of one command on the host. */
export interface RtrOutcome {
  /** False while the host is still at it. */
  readonly isComplete: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly sessionId: string;
  readonly warnings: readonly string[];
}

const hostShape = z.object({
  session_id: z.string().default(""),
  task_id: z.string().default(""),
  complete: z.boolean().default(false),
  stdout: z.string().default(""),
  stderr: z.string().default(""),
  errors: falconErrors,
});
const hostsShape = z.record(z.string(), hostShape);

/** Connects to the host. One that is offline fails at once: a command that it runs days later is not what was asked for. */
export async function openSession(call: AdapterCall, device: Device): Promise<RtrSession | FailedResult> {
  const shape = z.object({ batch_id: z.string().min(1), resources: hostsShape });
  try {
    const { batch_id: batchId, resources } = await callFalcon(
      call,
      {
        method: "POST",
        path: "/real-time-response/combined/batch-init-session/v1",
        query: { timeout: String(limits.rtrSessionSeconds) },
        json: { host_ids: [device.id], queue_offline: false },
      },
      shape,
    );
    const errors = Object.hasOwn(resources, device.id) ? resources[device.id]!.errors : [{ message: "no session" }];
    return errors.length > 0 ? unreachable(device, said(errors)) : { batchId, device };
  } catch (error) {
    // What Falcon answers where no host could be reached: 404, `no successful hosts initialized on RTR` (psfalcon, issue 80, 2026-11).
    if (error instanceof VendorError && error.status === 404) return unreachable(device, error.message);
    throw error;
  }
}

function unreachable(device: Device, reason: string): FailedResult {
  const summary = `Falcon can't reach ${device.hostname}. Try again when it is online.`;
  return failed("target_unreachable", summary, { ...subjectOf(device), message: reason });
}

export interface RtrCommand {
  readonly level: "active-responder" | "admin";
  readonly baseCommand: "kill" | "rm" | "runscript";
  /** The whole line, with what comes from users quoted. */
  readonly line: string;
  readonly waitSeconds: number;
}

/** Runs a command on the host and waits for it, within bounds. */
export async function runCommand(
  call: AdapterCall,
  { batchId, device }: RtrSession,
  command: RtrCommand,
): Promise<RtrOutcome | FailedResult> {
  const { combined } = await callFalcon(
    call,
    {
      method: "POST",
      path: `/real-time-response/combined/batch-${command.level}-command/v1`,
      query: { timeout: String(command.waitSeconds) },
      json: {
        base_command: command.baseCommand,
        batch_id: batchId,
        command_string: command.line,
        optional_hosts: [device.id],
      },
    },
    z.object({ combined: z.object({ resources: hostsShape }) }),
  );
  const host = hostOf(combined.resources, device);
  if ("error" in host) return host;
  if (host.complete || host.task_id === "") return outcomeOf(call, host, []);
  const { last, warnings } = await awaitCompletion(call.http, () => readCommand(call, command.level, host.task_id), {
    isOver: ({ complete }) => complete,
  });
  return outcomeOf(call, { ...host, ...last }, warnings);
}

/** What a batch answered for the host. */
function hostOf(hosts: z.infer<typeof hostsShape>, device: Device): z.infer<typeof hostShape> | FailedResult {
  const host = Object.hasOwn(hosts, device.id) ? hosts[device.id]! : undefined;
  if (!host) throw new VendorError(`Falcon's answer does not say what became of the command on ${device.hostname}.`);
  if (host.errors.length === 0) return host;
  // 40412: no such script (the answers recorded in Kibana's emulator of Falcon, 2026-11).
  const error = host.errors.some(({ code }) => code === 40412) ? "script_not_found" : "command_refused";
  const summary = `Falcon did not run the command on ${device.hostname}: ${said(host.errors)}`;
  return failed(error, summary, { ...subjectOf(device), message: said(host.errors) });
}

/** The state of a command that its batch did not wait for: `task_id` is its `cloud_request_id`. */
async function readCommand(call: AdapterCall, level: RtrCommand["level"], taskId: string) {
  const { resources } = await callFalcon(
    call,
    {
      method: "GET",
      path: `/real-time-response/entities/${level}-command/v1`,
      query: { cloud_request_id: taskId, sequence_id: "0" },
    },
    z.object({
      resources: z
        .array(z.object({ complete: z.boolean(), stdout: z.string().default(""), stderr: z.string().default("") }))
        .min(1),
    }),
  );
  return resources[0]!;
}

function outcomeOf({ http }: AdapterCall, host: z.infer<typeof hostShape>, warnings: readonly string[]): RtrOutcome {
  return {
    isComplete: host.complete,
    stdout: http.excerpt(host.stdout, limits.vendorOutputLengthMax),
    stderr: http.excerpt(host.stderr, limits.vendorOutputLengthMax),
    sessionId: host.session_id,
    warnings,
  };
}

export interface FetchedFile {
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
  readonly sessionId: string;
}

/** Fetches a file of the host into the Falcon cloud, and waits until it is there. */
export async function fetchFile(
  call: AdapterCall,
  { batchId, device }: RtrSession,
  quotedPath: string,
): Promise<FetchedFile | FailedResult> {
  const path = "/real-time-response/combined/batch-get-command/v1";
  const { batch_get_cmd_req_id: requestId, combined } = await callFalcon(
    call,
    {
      method: "POST",
      path,
      query: { timeout: String(limits.rtrCommandSeconds) },
      json: { batch_id: batchId, file_path: quotedPath, optional_hosts: [device.id] },
    },
    z.object({ batch_get_cmd_req_id: z.string(), combined: z.object({ resources: hostsShape }) }),
  );
  const host = hostOf(combined.resources, device);
  if ("error" in host) return host;
  if (host.stderr !== "") {
    return notFetched(device, { message: call.http.excerpt(host.stderr, limits.vendorOutputLengthMax) });
  }
  const read = () =>
    callFalcon(
      call,
      { method: "GET", path, query: { batch_get_cmd_req_id: requestId } },
      z.object({ resources: z.record(z.string(), fileShape).nullish() }),
    );
  const { last, warnings } = await awaitCompletion(call.http, read, {
    isOver: ({ resources }) => isThere(resources?.[device.id]),
    boundMs: limits.rtrUploadMs,
  });
  call.signal.throwIfAborted();
  const file = last?.resources?.[device.id];
  if (!isThere(file)) return notFetched(device, { batch_get_cmd_req_id: requestId, message: warnings.join(" ") });
  return { sha256: file.sha256.toLowerCase(), size: file.size, sessionId: file.session_id };
}

const fileShape = z.object({
  sha256: z.string().nullish(),
  size: z.number().default(0),
  session_id: z.string().default(""),
});

/** The hash is there once all of the file is (the comments of psfalcon's Confirm-FalconGetFile, 2026-11). */
function isThere(
  file: z.infer<typeof fileShape> | undefined,
): file is { sha256: string; size: number; session_id: string } {
  return file?.sha256 !== undefined && file.sha256 !== null && /^[0-9a-f]{64}$/i.test(file.sha256);
}

function notFetched(device: Device, details: JsonObject): FailedResult {
  const summary = `The file could not be fetched from ${device.hostname}, so it was left where it is.`;
  return failed("file_not_fetched", summary, { ...subjectOf(device), ...details });
}

/** How a device is named in details. */
export function subjectOf(device: Device): { readonly device_id: string; readonly hostname: string } {
  return { device_id: device.id, hostname: device.hostname };
}
