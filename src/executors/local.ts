import { randomUUID } from "node:crypto";
import { delimiter, dirname, join, resolve } from "node:path";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { limits } from "../core/limits.ts";
import { turns } from "../core/turns.ts";
import { createLogLines } from "../scripts/log-lines.ts";
import { errorIn } from "../scripts/output.ts";
import {
  createScriptKeeper,
  excess,
  exitError,
  runScript,
  type ScriptEnclosure,
  type ScriptEnd,
  type ScriptKeeper,
} from "../scripts/run-script.ts";
import { commandLine, type Programs, usualPath } from "../scripts/script-command.ts";
import { createMask, type Mask } from "../secrets/mask.ts";
import { followEnclosed } from "./enclosed-group.ts";
import type { Attempt, Execute, ExecutedCommand, LocalCall, Outcome } from "./executor.ts";
import { scriptHome, scriptNode } from "./isolated-root.ts";
import type { Enclosure, Isolation } from "./isolation.ts";
import { type ProductionIsolation, refusalOf, type ScriptNetwork, unprotected } from "./isolation-policy.ts";
import { readOutputInTurn } from "./output.ts";
import { markVariable, ownServer } from "./process-marks.ts";

/** Where scripts work, by what they run, and what keeps them to themselves. */
export interface LocalOptions {
  /** Holds the working copies. Servers may share it; `sweepLeftovers` clears what dead ones left. */
  readonly workDirectory: string;
  readonly isolation: Isolation;
  /** Of scripts outside of the sandbox, which is isolated always. */
  readonly production: ProductionIsolation;
  /** Of scripts outside of the sandbox that are isolated; `host` by default. */
  readonly network?: ScriptNetwork;
  /** What all processes of an isolated script may hold together; `limits.scriptTotalMemoryBytesMax` by default. */
  readonly memoryBytesMax?: number;
  /** The Node that runs `.js` and `.mjs`; the server's own by default. */
  readonly node?: string;
  /** PATH of the scripts; the usual directories of a system by default. */
  readonly path?: string;
}

/**
 * The executor of local actions: a script of the package, in a fresh copy, isolated where the host can, that dies with the server.
 * Codes of its failures: `exit_code` (or the code that the script states), `output_too_large`, `target_missing`,
 * `memory_exceeded`, `interpreter_missing`, `invalid_argument`, `arguments_too_large`, `package_invalid`, `spawn_failed`, `isolation_unavailable`,
 * `sandbox_unavailable`, `isolation_failed`.
 */
export function createLocalExecutor(options: LocalOptions): Execute<LocalCall> {
  const node = options.node ?? process.execPath;
  const path = options.path ?? usualPath;
  const server = ownServer(options.workDirectory);
  const host: Host = {
    ...{ isolation: options.isolation, production: options.production, network: options.network ?? "host" },
    memoryBytesMax: options.memoryBytesMax ?? limits.scriptTotalMemoryBytesMax,
    directory: resolve(options.workDirectory, server),
    open: { node, path: [path, dirname(node)].join(delimiter) },
    enclosed: { node: scriptNode, path: [path, dirname(scriptNode)].join(delimiter) },
    keeper: createScriptKeeper({ variable: markVariable, name: server }, path),
  };
  return (attempt) => execute(attempt, host);
}

interface Host {
  readonly isolation: Isolation;
  readonly production: ProductionIsolation;
  readonly network: ScriptNetwork;
  readonly memoryBytesMax: number;
  readonly directory: string;
  /** By what scripts run on the host itself, and in an enclosure. */
  readonly open: Programs;
  readonly enclosed: Programs;
  readonly keeper: ScriptKeeper;
}

async function execute(attempt: Attempt<LocalCall>, host: Host): Promise<Outcome> {
  const commands: ExecutedCommand[] = [];
  const outcome = await endOf(attempt, host, commands);
  return attempt.sandbox ? { ...outcome, commands } : outcome;
}

/** @param commands What ran is added to it. */
async function endOf(attempt: Attempt<LocalCall>, host: Host, commands: ExecutedCommand[]): Promise<Outcome> {
  const { call, idempotencyKey, timeoutMs, signal } = attempt;
  if (signal.aborted) return { status: "CANCELLED" };
  const refusal = refusalOf(attempt, host);
  if (refusal) return { status: "FAILED", error: refusal };
  const isIsolated = attempt.sandbox || host.production !== "off";
  const enclosure = isIsolated ? host.isolation.enclose() : undefined;
  if (host.isolation.lack && isIsolated) attempt.onLog("SYSTEM", unprotected(host.isolation.lack));
  const mask = createMask(attempt.secrets);
  const id = randomUUID();
  const home = join(host.directory, id);
  const run = {
    ...{ call, id, home, idempotencyKey, timeoutMs, signal },
    programs: enclosure ? host.enclosed : host.open,
    lines: createLogLines(attempt.onLog, { mask }),
    // A pipe full of short lines takes a tenth of a second.
    lineRoom: () => attempt.logRoom?.() ?? (turns.isSpent() ? turns.take(() => {}) : undefined),
    enclosure: enclosure && placeIn(enclosure, host, { home, hasNetwork: !attempt.sandbox && host.network === "host" }),
  };
  try {
    const end = await runScript(run, host.keeper);
    if (end === undefined) return { status: "CANCELLED" };
    commands.push({ command: commandLine(end.argv.map(mask.text)), exitCode: end.exitCode });
    return await outcomeOf(end, attempt, mask);
  } catch (error) {
    if (!(error instanceof AttemptRefused)) throw error;
    return { status: "FAILED", error: { code: error.error.code, message: mask.text(error.error.message) } };
  } finally {
    enclosure?.release();
  }
}

function placeIn(
  { uid, command }: Enclosure,
  { memoryBytesMax }: Host,
  script: { readonly home: string; readonly hasNetwork: boolean },
): ScriptEnclosure {
  return {
    ...{ uid, home: scriptHome, temporary: "/tmp", follow: followEnclosed(memoryBytesMax) },
    enclose: (argv) => command({ argv, ...script }),
  };
}

async function outcomeOf(end: ScriptEnd, { timeoutMs }: Attempt, mask: Mask): Promise<Outcome> {
  if (end.stopped === "aborted") return { status: "CANCELLED" };
  if (end.stopped === "timed_out") {
    return {
      status: "TIMED_OUT",
      error: { code: "timed_out", message: `The script was ended after ${timeoutMs} ms.` },
    };
  }
  if (end.stopped !== undefined) return { status: "FAILED", error: excess[end.stopped] };
  // Masked before the error is read from it, since what is cut there could be half a secret.
  const output = mask.json(await readOutputInTurn(end.stdout));
  if (end.exitCode === 0) return { status: "SUCCEEDED", output };
  return { status: "FAILED", error: errorIn(output, exitError(end)), output };
}
