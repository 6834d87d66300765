import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { isZombie, processStatus } from "../core/process-status.ts";
import { scriptLimits } from "../core/script-limits.ts";
import type { Guard } from "./guard.ts";
import { killQuietly, type Sweeper } from "./marked-processes.ts";
import { type PieceReader, readInPieces } from "./read-in-pieces.ts";
import type { ScriptPipes } from "./script-pipes.ts";

/** The process of a script that is to run. */
export interface ProcessRun {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What its processes are found by, as it stands in that environment. */
  readonly mark: string;
  /** Set where `argv` encloses the script. */
  readonly follow?: Follow | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  onStderr(piece: Buffer): void;
  /** What to wait for before more of stderr is read; undefined while there is nothing. */
  readonly stderrRoom?: (() => Promise<void> | undefined) | undefined;
}

/** How a script ended. `stopped` says why we ended it, where we did. */
export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly exitSignal: NodeJS.Signals | null;
  readonly stopped: StopReason | undefined;
  readonly stdout: string;
}
type StopReason = "timed_out" | "aborted" | "output_too_large" | "memory_exceeded";

/**
 * Begins to look after the group of an enclosed script: what the script does is hidden in it, and ends with its first process.
 * @param words Descriptor 3, which an enclosure keeps for further words.
 * @param kill Ends it at once.
 */
export type Follow = (group: number, words: Socket, kill: (reason: StopReason) => void) => EnclosedGroup;

export interface EnclosedGroup {
  /** Asks all processes within to end: they hear of no signal from outside. */
  terminate(): void;
  /** The group has ended. */
  leave(): void;
  /** What that says of the script. @throws AttemptRefused where it was never begun */
  endOf(end: ProcessEnd): ProcessEnd;
}

/**
 * Waits for our word before it becomes the script, so that the guard knows the group before the script's first instruction; when we die
 * before that, the read ends and nothing runs. No core dumps: they would hold the secrets. Where memory runs out, Linux is to end a script
 * and not us.
 */
const launcher = (isEnclosed: boolean) => `
{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0
ulimit -f ${scriptLimits.scriptFileBytesMax / 512}
read -r word <&3 || exit 125
${isEnclosed ? "" : "exec 3<&-"}
exec "$@"
`;

/**
 * Runs a script in a process group of its own and resolves when nothing of it is left: not the script, nor a child of it, wherever
 * it has gone, as far as it can be seen.
 */
export async function runProcess(
  run: ProcessRun,
  pipes: ScriptPipes,
  { guard, sweeper }: { readonly guard: Guard; readonly sweeper: Sweeper },
): Promise<ProcessEnd> {
  const child = launch(run, pipes);
  const group = child.pid;
  if (group === undefined) {
    const message = "The script cannot be started: the machine has no room for another process.";
    throw new AttemptRefused("spawn_failed", message);
  }
  guard.watch(group);
  const exited = once(child, "exit");
  let stopped: StopReason | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const words = wordsWith(child);
  const enclosed = run.follow?.(group, words, (reason) => {
    stopped ??= reason;
    killQuietly(-group, "SIGKILL");
  });
  const stop = (reason: StopReason): void => {
    if (stopped || child.exitCode !== null || child.signalCode !== null) return;
    stopped = reason;
    if (enclosed) enclosed.terminate();
    else killQuietly(-group, "SIGTERM");
    killTimer = setTimeout(() => killQuietly(-group, "SIGKILL"), scriptLimits.scriptKillGraceMs);
  };
  const abort = (): void => stop("aborted");
  const timer = setTimeout(() => stop("timed_out"), run.timeoutMs);
  run.signal.addEventListener("abort", abort, { once: true });
  const stdout = collect(pipes.stdout, () => stop("output_too_large"));
  const stderr = readInPieces(pipes.stderr, run.onStderr, run.stderrRoom);
  words.write("go\n");
  if (!enclosed) words.end();
  if (run.signal.aborted) abort();

  const [exitCode, exitSignal] = await exited;
  clearTimeout(timer);
  clearTimeout(killTimer);
  enclosed?.leave();
  run.signal.removeEventListener("abort", abort);
  await endGroup(group);
  // With the first process of an enclosure all others of it have ended, wherever they had gone.
  if (!enclosed) await sweeper.sweep(run.mark);
  guard.forget(group);
  await closed([pipes.stdout, pipes.stderr, ...(enclosed ? [words] : [])], stderr);
  await stderr.end();
  const end = { exitCode, exitSignal, stopped, stdout: new TextDecoder().decode(Buffer.concat(stdout)) };
  return enclosed?.endOf(end) ?? end;
}

function launch(run: ProcessRun, pipes: ScriptPipes): ChildProcess {
  try {
    const child = spawn("/bin/sh", ["-c", launcher(run.follow !== undefined), "riposte", ...run.argv], {
      cwd: run.cwd,
      env: run.environment,
      detached: true,
      stdio: [...pipes.descriptors, "pipe"],
    });
    // Without a process id the caller refuses; without a listener this event would end us.
    child.on("error", () => {});
    return child;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "E2BIG") {
      throw new AttemptRefused("arguments_too_large", "The arguments are larger than a shell script can be given.");
    }
    throw error;
  } finally {
    pipes.handOver();
  }
}

/** Descriptor 3: our words to the launcher and then to the first process of an enclosure, and what that answers. */
function wordsWith(child: ChildProcess): Socket {
  return (child.stdio[3] as Socket).on("error", () => {});
}

function collect(stream: Socket, onTooLarge: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= scriptLimits.outputBytesMax) chunks.push(chunk);
    else onTooLarge();
  });
  return chunks;
}

/** Kills what is left of a group and waits until it is gone; what cannot be killed (in the kernel for good) is waited for a while only. */
async function endGroup(group: number): Promise<void> {
  const deadline = performance.now() + scriptLimits.scriptGoneMs;
  for (let round = 0; performance.now() < deadline; round++) {
    try {
      process.kill(-group, "SIGKILL");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    }
    // What is dead but not yet collected by its parent still counts as a member for the kernel, sometimes for long.
    if (round >= 3 && process.platform === "linux" && !(await hasLivingMember(group))) return;
    await sleep(5);
  }
}

async function hasLivingMember(group: number): Promise<boolean> {
  const names = await readdir("/proc");
  return names.some((name) => {
    const status = /^\d+$/.test(name) ? processStatus(Number(name)) : undefined;
    return status?.group === group && !isZombie(status);
  });
}

/** Of the patience with pipes that do not close. */
const spells = 20;

/**
 * Waits for the last bytes. Whoever still holds the pipes, unseen, does not hold up the attempt. A loop that is held up can run timers for seconds
 * without looking at a pipe; an immediate comes only after it has looked, so what was written is read before this gives up.
 */
async function closed(streams: readonly Socket[], stderr: PieceReader): Promise<void> {
  const ends = Promise.all(streams.map((stream) => (stream.closed ? Promise.resolve() : once(stream, "close"))));
  for (let spell = 0; spell < spells && streams.some((stream) => !stream.closed); spell++) {
    // The time that its lines wait for is not time in which nothing came.
    await stderr.caughtUp();
    const given = new AbortController();
    const patience = sleep(scriptLimits.scriptGoneMs / spells, undefined, { signal: given.signal }).catch(() => {});
    await Promise.race([ends, patience]);
    given.abort();
    await immediate();
  }
}
