import type { ExecutionError } from "../core/attempt-refused.ts";
import { createGuard, type Guard } from "./guard.ts";
import type { LogLines } from "./log-lines.ts";
import { createSweeper, type ScriptOwner, type Sweeper } from "./marked-processes.ts";
import type { ScriptCall } from "./script-call.ts";
import { type Programs, scriptCommand } from "./script-command.ts";
import { openScriptPipes } from "./script-pipes.ts";
import { type Follow, type ProcessEnd, runProcess } from "./script-process.ts";
import { createWorkDirectory, removeDirectory } from "./work-directory.ts";

/** Runs the scripts of one owner, and sees to it that none outlives it. */
export interface ScriptKeeper {
  readonly owner: ScriptOwner;
  readonly guard: Guard;
  readonly sweeper: Sweeper;
}

/** @param path PATH of the guard's programs. */
export function createScriptKeeper(owner: ScriptOwner, path: string): ScriptKeeper {
  return { owner, guard: createGuard(owner, path), sweeper: createSweeper(owner.variable) };
}

/** One attempt at a script. */
export interface ScriptRun {
  readonly call: ScriptCall;
  /** Of this attempt, among all of its owner's. */
  readonly id: string;
  /** A path that does not exist yet: the script's directory, which is removed afterwards. */
  readonly home: string;
  readonly programs: Programs;
  /** The same for every attempt of the step. */
  readonly idempotencyKey: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly lines: LogLines;
  /** What to wait for before more lines are read; undefined while there is nothing. */
  readonly lineRoom?: (() => Promise<void> | undefined) | undefined;
  /** What keeps it to itself; without it, it can do what our user can. */
  readonly enclosure?: ScriptEnclosure | undefined;
}

/** The place of one script that is kept to itself. */
export interface ScriptEnclosure {
  /** Whose its files have to be; our own user's by default. */
  readonly uid: number | undefined;
  /** Its directories, as it sees them. */
  readonly home: string;
  readonly temporary: string;
  /** The command that runs it there, with what the environment has to hold besides the script's. */
  enclose(argv: readonly string[]): {
    readonly argv: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
  readonly follow: Follow;
}

/** How it ended, and what ran. */
export interface ScriptEnd extends ProcessEnd {
  /** Program and arguments, without what encloses them. */
  readonly argv: readonly string[];
}

/**
 * Runs a script of a package: in a fresh copy, with a minimal environment and a process group of its own. Resolves when nothing of it is left.
 * @returns Undefined where the signal was aborted before the script began.
 * @throws AttemptRefused `target_missing`, `interpreter_missing`, `invalid_argument`, `arguments_too_large`, `package_invalid`, `spawn_failed`,
 *   or what the enclosure throws.
 */
export async function runScript(run: ScriptRun, keeper: ScriptKeeper): Promise<ScriptEnd | undefined> {
  try {
    return await runIn(run, keeper);
  } finally {
    // What cannot be removed now is removed when its owner starts here again.
    await removeDirectory(run.home).catch(() => {});
  }
}

async function runIn(run: ScriptRun, keeper: ScriptKeeper): Promise<ScriptEnd | undefined> {
  const { call, home, programs, timeoutMs, signal, lines, enclosure } = run;
  const { path } = programs;
  const { argv, environment } = await scriptCommand(call, programs);
  const directory = await createWorkDirectory(home, call, enclosure?.uid);
  const stdin = JSON.stringify(call.arguments);
  const pipes = await openScriptPipes(home, { path, stdin, owner: enclosure?.uid });
  try {
    if (signal.aborted) {
      pipes.handOver();
      return undefined;
    }
    const { variable, name } = keeper.owner;
    const mark = `${name}/${run.id}`;
    const enclosed = enclosure?.enclose(argv);
    const script = {
      argv: enclosed?.argv ?? argv,
      cwd: directory.package,
      environment: {
        ...environment,
        PATH: path,
        HOME: enclosure?.home ?? directory.home,
        TMPDIR: enclosure?.temporary ?? directory.temporary,
        LANG: "C.UTF-8",
        // Lines as they are written, and no compiled copies beside the package.
        PYTHONUNBUFFERED: "1",
        PYTHONDONTWRITEBYTECODE: "1",
        IDEMPOTENCY_KEY: run.idempotencyKey,
        [variable]: mark,
        ...enclosed?.environment,
      },
      ...{ mark, timeoutMs, signal, follow: enclosure?.follow, onStderr: lines.push, stderrRoom: run.lineRoom },
    };
    return { ...(await runProcess(script, pipes, keeper)), argv };
  } finally {
    pipes.close();
    lines.end();
  }
}

/** Why a script failed that was ended for taking too much. */
export const excess: Readonly<Record<"output_too_large" | "memory_exceeded", ExecutionError>> = {
  output_too_large: { code: "output_too_large", message: "The script wrote more to stdout than a result may have." },
  memory_exceeded: {
    code: "memory_exceeded",
    message: "The script was ended: its processes together held more memory than a script may have.",
  },
};

/** The error of a script that ended by itself, where its output states none. */
export function exitError({ exitCode, exitSignal }: ProcessEnd): ExecutionError {
  const how = exitSignal === null ? `with exit code ${exitCode}` : `by the signal ${exitSignal}`;
  return { code: "exit_code", message: `The script ended ${how}.` };
}
