import { type JsonObject, sha256 } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterRequest, RequestProblem } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";
import { checkHost, falconCredentials, findDevice } from "./crowdstrike-api.ts";
import {
  argumentLine,
  isFenceable,
  isPlainLine,
  isQuotable,
  isScriptArgument,
  type Script,
  scriptCommandLine,
} from "./crowdstrike-command-lines.ts";
import { openSession, runCommand, subjectOf } from "./crowdstrike-rtr.ts";

/** @see `runscript` with -CloudFile, -Raw, -CommandLine and -Timeout: CrowdStrike's Falcon-Toolkit, 2026-11. It needs the admin permission. */
export const runScript: Adapter = {
  vendorId: "crowdstrike",
  capability: "run_script",
  description:
    "Runs a script on a host (Real Time Response, runscript): one that is in the Falcon cloud, by its `script_name`, or `script_content`. " +
    "`script_args` are plain words, or a list of arguments, which are quoted. Falcon tells no exit code.",
  credentials: falconCredentials,
  impact: "SEVERE",
  isIdempotent: false,
  timeoutMs: 300_000,
  irreversible: "Nobody knows what a script changed. Undo it by hand, or with another script.",
  check: ({ target, params }) => checkHost(target) ?? checkScript(params) ?? checkArguments(params["script_args"]),
  preview: (request) => ({ hostname: request.target, ...scriptOf(request) }),
  async execute(call) {
    const { params } = call;
    const device = await findDevice(call, call.target);
    if ("error" in device) return device;
    const details = { ...subjectOf(device), ...scriptOf(call) };
    const args = params["script_args"] ?? [];
    const words = typeof args === "string" ? args.trim() : argumentLine(args as readonly string[], device.platform);
    if (words === undefined) {
      const summary = `Falcon does not say what ${device.hostname} runs on, so the script's arguments can't be quoted.`;
      return failed("platform_unknown", summary, details);
    }
    const session = await openSession(call, device);
    if ("error" in session) return session;
    const outcome = await runCommand(call, session, {
      level: "admin",
      baseCommand: "runscript",
      line: scriptCommandLine(readScript(params), words, limits.rtrScriptSeconds),
      waitSeconds: limits.rtrScriptSeconds,
    });
    if ("error" in outcome) return { ...outcome, details: { ...details, ...outcome.details } };
    const { isComplete, stdout, stderr, warnings } = outcome;
    const complaint = "The script wrote to stderr. Whether it failed, Falcon does not tell.";
    return {
      status: "SUCCEEDED",
      summary: isComplete
        ? `The script has run on ${device.hostname}.`
        : `The script was started on ${device.hostname} and has not ended yet.`,
      details: { ...details, response: { stdout, stderr } },
      completion: isComplete ? "confirmed" : "accepted",
      warnings: stderr === "" ? warnings : [...warnings, complaint],
    };
  },
};

/** The script as details name it: its content may hold what is nobody's business. */
function scriptOf({ params }: AdapterRequest): JsonObject {
  const { script_name: name, script_content: content, script_args: args } = params;
  return {
    ...(typeof name === "string" && { script_name: name }),
    ...(typeof content === "string" && { script_sha256: sha256(content) }),
    ...((args ?? undefined) !== undefined && { script_args: args! }),
  };
}

function readScript({ script_name, script_content }: JsonObject): Script {
  return typeof script_name === "string" ? { name: script_name } : { content: String(script_content) };
}

function checkScript({ script_name: name, script_content: content }: JsonObject): RequestProblem | undefined {
  const hasName = (name ?? undefined) !== undefined;
  if (hasName === ((content ?? undefined) !== undefined)) {
    return invalid("Give one of script_name (of a script in the Falcon cloud) and script_content.");
  }
  if (hasName && (typeof name !== "string" || name.length > 255 || !isQuotable(name))) {
    return invalid(
      "script_name is the name of a script in the Falcon cloud, without backticks and control characters.",
    );
  }
  if (!hasName && (typeof content !== "string" || !isFenceable(content))) {
    return invalid(
      "script_content is a script without three backticks in a row, and without one at its beginning or end.",
    );
  }
  return undefined;
}

function checkArguments(args: unknown): RequestProblem | undefined {
  if (args === undefined || args === null || (typeof args === "string" && isPlainLine(args))) return undefined;
  const isList = Array.isArray(args) && args.every((text) => typeof text === "string" && isScriptArgument(text));
  if (isList) return undefined;
  return invalid(
    "script_args is a text of plain words, e.g. -Path C:\\temp -Force, or a list of arguments without backticks and control characters.",
  );
}

function invalid(message: string): RequestProblem {
  return { error: "invalid_params", message };
}
