import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult, RequestProblem } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";
import { checkHost, falconCredentials, findDevice } from "./crowdstrike-api.ts";
import { pathProblem, quoteArgument } from "./crowdstrike-command-lines.ts";
import { type FetchedFile, fetchFile, openSession, type RtrSession, runCommand, subjectOf } from "./crowdstrike-rtr.ts";

/** Falcon has no quarantine that can be asked for: the file is fetched into its cloud, and then removed from the host. */
export const quarantineFile: Adapter = {
  vendorId: "crowdstrike",
  capability: "quarantine_file",
  description:
    "Fetches a file into the Falcon cloud (Real Time Response, get) and then removes it from the host: the host's copy is gone. " +
    "The target is the host and `file_path` the file; or the target is the file and `hostname` the host. " +
    "With `file_hash` (SHA-256) the file is only removed where it is that one.",
  credentials: falconCredentials,
  impact: "MODERATE",
  isIdempotent: false,
  timeoutMs: 360_000,
  irreversible:
    "The host's copy is removed. The file that was fetched before can be downloaded from the Falcon cloud and put back by hand.",
  check(request) {
    const { host, path, hash } = read(request);
    return checkHost(host) ?? checkPath(request, path) ?? checkHash(hash);
  },
  preview(request) {
    const { host, path, hash } = read(request);
    const name = typeof hash === "string" ? hash.slice(0, 8) : "NOHASH";
    return { hostname: host, path, hash: hash ?? null, quarantine_id: `SIM-QRN-${name}` };
  },
  async execute(call) {
    const { host, path, hash } = read(call);
    const device = await findDevice(call, host);
    if ("error" in device) return device;
    const session = await openSession(call, device);
    if ("error" in session) return session;
    const file = await fetchFile(call, session, quoteArgument(path));
    if ("error" in file) return file;
    if (typeof hash === "string" && hash.toLowerCase() !== file.sha256) {
      const summary = `The file on ${device.hostname} is not the one that was meant, so it was left where it is.`;
      return failed("hash_mismatch", summary, { ...subjectOf(device), file_path: path, sha256: file.sha256 });
    }
    return removeFile(call, session, { path, file });
  },
};

async function removeFile(
  call: AdapterCall,
  session: RtrSession,
  { path, file }: { path: string; file: FetchedFile },
): Promise<AdapterResult> {
  const { device } = session;
  const fetched = { file_path: path, sha256: file.sha256, size: file.size, session_id: file.sessionId };
  const details = { ...subjectOf(device), action: "get_and_remove", ...fetched };
  const outcome = await runCommand(call, session, {
    level: "active-responder",
    baseCommand: "rm",
    line: `rm ${quoteArgument(path)}`,
    waitSeconds: limits.rtrCommandSeconds,
  });
  if ("error" in outcome) return { ...outcome, details: { ...details, ...outcome.details } };
  const { isComplete, stdout, stderr, warnings } = outcome;
  if (stderr !== "") {
    const summary = `The file was fetched from ${device.hostname}, but could not be removed there.`;
    return failed("file_not_removed", summary, { ...details, message: stderr });
  }
  return {
    status: "SUCCEEDED",
    summary: isComplete
      ? `The file was fetched into the Falcon cloud and removed from ${device.hostname}: the host's copy is gone.`
      : `The file was fetched into the Falcon cloud; ${device.hostname} has not confirmed yet that its copy is gone.`,
    details: { ...details, response: { stdout } },
    completion: isComplete ? "confirmed" : "accepted",
    warnings,
  };
}

/** Which host and which file are meant. */
function read({ target, params }: AdapterRequest) {
  const { hostname, file_path, file_hash } = params;
  const isFile = hostname !== undefined && hostname !== null;
  const host = isFile ? hostname : target;
  const path = file_path ?? (isFile ? target : undefined);
  return {
    host: typeof host === "string" ? host : "",
    path: typeof path === "string" ? path : "",
    hash: file_hash ?? undefined,
  };
}

function checkPath({ params }: AdapterRequest, path: string): RequestProblem | undefined {
  const isTarget = (params["file_path"] ?? undefined) === undefined && (params["hostname"] ?? undefined) !== undefined;
  const problem = path === "" ? "is missing. Say which file of the host is meant" : pathProblem(path);
  if (problem === undefined) return undefined;
  return isTarget
    ? { error: "invalid_target", message: `The target ${problem}.` }
    : { error: "invalid_params", message: `file_path ${problem}.` };
}

function checkHash(hash: unknown): RequestProblem | undefined {
  if (hash === undefined || (typeof hash === "string" && /^[0-9a-f]{64}$/i.test(hash))) return undefined;
  return {
    error: "invalid_params",
    message: "file_hash is a SHA-256 of 64 hex digits: Falcon tells no other hash of a file.",
  };
}
