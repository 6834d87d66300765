import { randomUUID } from "node:crypto";
import { delimiter, dirname, join, resolve } from "node:path";
import { limits } from "../core/limits.ts";
import { createMask, type Mask } from "../secrets/mask.ts";
import type { Attempt, Execute, ExecutedCommand, LocalCall, Outcome } from "./executor.ts";
import { createGuard, type Guard } from "./guard.ts";
import { scriptHome, scriptNode } from "./isolated-root.ts";
import type { Enclosure, Isolation } from "./isolation.ts";
import { type ProductionIsolation, refusalOf, type ScriptNetwork, unprotected } from "./isolation-policy.ts";
import { createLogLines } from "./log-lines.ts";
import { errorIn, readOutputInTurn } from "./output.ts";
import { markVariable, ownServer } from "./process-marks.ts";
import { AttemptRefused } from "./refused.ts";
import { commandLine, scriptCommand, usualPath } from "./script-command.ts";
import { closeDescriptors, closePipes, openScriptPipes } from "./script-pipes.ts";
import { runScript, type ScriptEnd } from "./script-process.ts";
import { createSweeper, type Sweeper } from "./sweep.ts";
import { createWorkDirectory, removeDirectory } from "./work-directory.ts";

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
    ...{ isolation: options.isolation, production: options.production, network: options.network ?? "host", server },
    memoryBytesMax: options.memoryBytesMax ?? limits.scriptTotalMemoryBytesMax,
    directory: resolve(options.workDirectory, server),
    open: { node, path: [path, dirname(node)].join(delimiter) },
    enclosed: { node: scriptNode, path: [path, dirname(scriptNode)].join(delimiter) },
    guard: createGuard(server, path),
    sweeper: createSweeper(),
  };
  return (attempt) => execute(attempt, host);
}

interface Programs {
  readonly node: string;
  readonly path: string;
}

interface Host {
  readonly isolation: Isolation;
  readonly production: ProductionIsolation;
  readonly network: ScriptNetwork;
  readonly memoryBytesMax: number;
  readonly server: string;
  readonly directory: string;
  /** By what scripts run on the host itself, and in an enclosure. */
  readonly open: Programs;
  readonly enclosed: Programs;
  readonly guard: Guard;
  readonly sweeper: Sweeper;
}

/** One attempt, and what is known of it so far. */
interface Work {
  readonly attempt: Attempt<LocalCall>;
  readonly host: Host;
  readonly mask: Mask;
  readonly id: string;
  readonly home: string;
  readonly enclosure: Enclosure | undefined;
  /** What ran, in the order in which it began. */
  readonly commands: ExecutedCommand[];
}

async function execute(attempt: Attempt<LocalCall>, host: Host): Promise<Outcome> {
  const commands: ExecutedCommand[] = [];
  const outcome = await endOf(attempt, host, commands);
  return attempt.sandbox ? { ...outcome, commands } : outcome;
}

async function endOf(attempt: Attempt<LocalCall>, host: Host, commands: ExecutedCommand[]): Promise<Outcome> {
  if (attempt.signal.aborted) return { status: "CANCELLED" };
  const refusal = refusalOf(attempt, host);
  if (refusal) return { status: "FAILED", error: refusal };
  const isIsolated = attempt.sandbox || host.production !== "off";
  const enclosure = isIsolated ? host.isolation.enclose() : undefined;
  if (host.isolation.lack && isIsolated) attempt.onLog("SYSTEM", unprotected(host.isolation.lack));
  const mask = createMask(attempt.secrets);
  const id = randomUUID();
  const work = { attempt, host, mask, id, home: join(host.directory, id), enclosure, commands };
  try {
    const end = await runIn(work);
    return end === undefined ? { status: "CANCELLED" } : await outcomeOf(end, attempt, mask);
  } catch (error) {
    if (!(error instanceof AttemptRefused)) throw error;
    return { status: "FAILED", error: { code: error.error.code, message: mask.text(error.error.message) } };
  } finally {
    enclosure?.release();
    // What cannot be removed now is removed when a server starts here again.
    await removeDirectory(work.home).catch(() => {});
  }
}

/** Undefined when the attempt was cancelled before the script began. */
async function runIn(work: Work): Promise<ScriptEnd | undefined> {
  const { attempt, host, mask, home, enclosure, commands } = work;
  const { call, timeoutMs, signal } = attempt;
  const { node, path } = enclosure ? host.enclosed : host.open;
  const command = await scriptCommand(call, { node, path });
  const directory = await createWorkDirectory(home, call, enclosure?.uid);
  const stdin = JSON.stringify(call.arguments);
  const pipes = await openScriptPipes(home, { path, stdin, owner: enclosure?.uid });
  if (signal.aborted) {
    closeDescriptors(pipes);
    closePipes(pipes);
    return undefined;
  }
  const mark = `${host.server}/${work.id}`;
  const lines = createLogLines(mask, attempt.onLog);
  const environment = {
    ...command.environment,
    PATH: path,
    HOME: enclosure ? scriptHome : directory.home,
    TMPDIR: enclosure ? "/tmp" : directory.temporary,
    LANG: "C.UTF-8",
    // Lines as they are written, and no compiled copies beside the package.
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    IDEMPOTENCY_KEY: attempt.idempotencyKey,
    [markVariable]: mark,
  };
  const hasNetwork = !attempt.sandbox && host.network === "host";
  const enclosed = enclosure?.command({ argv: command.argv, home, hasNetwork });
  const run = {
    ...{ argv: enclosed?.argv ?? command.argv, environment: { ...environment, ...enclosed?.environment } },
    ...{ cwd: directory.package, mark, timeoutMs, signal, isEnclosed: enclosure !== undefined },
    ...{ memoryBytesMax: host.memoryBytesMax, onStderr: lines.push },
  };
  try {
    const end = await runScript(run, pipes, host);
    commands.push({ command: commandLine(command.argv.map(mask.text)), exitCode: end.exitCode });
    return end;
  } finally {
    closePipes(pipes);
    lines.end();
  }
}

async function outcomeOf(end: ScriptEnd, { timeoutMs }: Attempt, mask: Mask): Promise<Outcome> {
  if (end.stopped === "cancelled") return { status: "CANCELLED" };
  if (end.stopped === "timed_out") {
    return {
      status: "TIMED_OUT",
      error: { code: "timed_out", message: `The script was ended after ${timeoutMs} ms.` },
    };
  }
  if (end.stopped === "output_too_large") {
    return {
      status: "FAILED",
      error: { code: "output_too_large", message: "The script wrote more to stdout than a result may have." },
    };
  }
  if (end.stopped === "memory_exceeded") {
    const message = "The script was ended: its processes together held more memory than a script may have.";
    return { status: "FAILED", error: { code: "memory_exceeded", message } };
  }
  // Masked before the error is read from it, since what is cut there could be half a secret.
  const output = mask.json(await readOutputInTurn(new TextDecoder().decode(end.stdout)));
  if (end.exitCode === 0) return { status: "SUCCEEDED", output };
  const how = end.exitSignal === null ? `with exit code ${end.exitCode}` : `by the signal ${end.exitSignal}`;
  return {
    status: "FAILED",
    error: errorIn(output, { code: "exit_code", message: `The script ended ${how}.` }),
    output,
  };
}
