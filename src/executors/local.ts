import { randomUUID } from "node:crypto";
import { delimiter, dirname, join, resolve } from "node:path";
import { createMask, type Mask } from "../secrets/mask.ts";
import type { Attempt, Execute, LocalCall, Outcome } from "./executor.ts";
import { createGuard, type Guard } from "./guard.ts";
import { createLogLines } from "./log-lines.ts";
import { errorIn, readOutputInTurn } from "./output.ts";
import { markVariable, ownServer } from "./process-marks.ts";
import { AttemptRefused } from "./refused.ts";
import { scriptCommand } from "./script-command.ts";
import { closeDescriptors, closePipes, openScriptPipes } from "./script-pipes.ts";
import { runScript, type ScriptEnd } from "./script-process.ts";
import { createSweeper, type Sweeper } from "./sweep.ts";
import { createWorkDirectory, removeDirectory } from "./work-directory.ts";

/** Where scripts work and by what they run. */
export interface LocalOptions {
  /** Holds the working copies. Servers may share it; `sweepLeftovers` clears what dead ones left. */
  readonly workDirectory: string;
  /** The Node that runs `.js` and `.mjs`; the server's own by default. */
  readonly node?: string;
  /** PATH of the scripts; the usual directories of a system by default. */
  readonly path?: string;
}

const usualPath = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/opt/homebrew/bin",
].join(delimiter);

/**
 * The executor of local actions: a script of the package, in a fresh copy and a process group of its own, that dies with the server.
 * Codes of its failures: `exit_code` (or the code that the script states), `output_too_large`, `target_missing`,
 * `interpreter_missing`, `invalid_argument`, `arguments_too_large`, `package_invalid`, `spawn_failed`.
 */
export function createLocalExecutor(options: LocalOptions): Execute<LocalCall> {
  const node = options.node ?? process.execPath;
  const path = options.path ?? [usualPath, dirname(node)].join(delimiter);
  const server = ownServer(options.workDirectory);
  const host: Host = {
    ...{ node, path, server },
    directory: resolve(options.workDirectory, server),
    guard: createGuard(server, path),
    sweeper: createSweeper(),
  };
  return (attempt) => execute(attempt, host);
}

interface Host {
  readonly node: string;
  readonly path: string;
  readonly server: string;
  readonly directory: string;
  readonly guard: Guard;
  readonly sweeper: Sweeper;
}

async function execute(attempt: Attempt<LocalCall>, host: Host): Promise<Outcome> {
  if (attempt.signal.aborted) return { status: "CANCELLED" };
  const mask = createMask(attempt.secrets);
  const id = randomUUID();
  const home = join(host.directory, id);
  try {
    const end = await runIn(home, { attempt, host, mask, mark: `${host.server}/${id}` });
    return end === undefined ? { status: "CANCELLED" } : await outcomeOf(end, attempt, mask);
  } catch (error) {
    if (!(error instanceof AttemptRefused)) throw error;
    return { status: "FAILED", error: { code: error.error.code, message: mask.text(error.error.message) } };
  } finally {
    // What cannot be removed now is removed when a server starts here again.
    await removeDirectory(home).catch(() => {});
  }
}

/** Undefined when the attempt was cancelled before the script began. */
async function runIn(
  home: string,
  { attempt, host, mask, mark }: { attempt: Attempt<LocalCall>; host: Host; mask: Mask; mark: string },
): Promise<ScriptEnd | undefined> {
  const { call, idempotencyKey, timeoutMs, signal } = attempt;
  const command = await scriptCommand(call, host);
  const directory = await createWorkDirectory(home, call);
  const pipes = await openScriptPipes(home, { path: host.path, stdin: JSON.stringify(call.arguments) });
  if (signal.aborted) {
    closeDescriptors(pipes);
    closePipes(pipes);
    return undefined;
  }
  const lines = createLogLines(mask, attempt.onLog);
  const environment = {
    ...command.environment,
    PATH: host.path,
    HOME: directory.home,
    TMPDIR: directory.temporary,
    LANG: "C.UTF-8",
    // Lines as they are written, and no compiled copies beside the package.
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    IDEMPOTENCY_KEY: idempotencyKey,
    [markVariable]: mark,
  };
  const run = {
    ...{ argv: command.argv, cwd: directory.package, environment, mark, timeoutMs, signal },
    onStderr: lines.push,
  };
  try {
    return await runScript(run, pipes, host);
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
