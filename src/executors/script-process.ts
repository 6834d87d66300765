import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { limits } from "../core/limits.ts";
import { isZombie, processStatus } from "../core/process-status.ts";
import type { Guard } from "./guard.ts";
import { AttemptRefused } from "./refused.ts";
import { watchMemory } from "./script-memory.ts";
import { closeDescriptors, type ScriptPipes } from "./script-pipes.ts";
import { killQuietly, type Sweeper } from "./sweep.ts";

/** A script that is to run. */
export interface ScriptRun {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The value of RIPOSTE_ATTEMPT in that environment. */
  readonly mark: string;
  /** Whether `argv` encloses the script in namespaces of its own, as {@link enclosedCommand} does. */
  readonly isEnclosed: boolean;
  /** What all processes of an enclosed script may hold together. */
  readonly memoryBytesMax: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  onStderr(chunk: Buffer): void;
}

/** How it ended. `stopped` says why we ended it, where we did. */
export interface ScriptEnd {
  readonly exitCode: number | null;
  readonly exitSignal: NodeJS.Signals | null;
  readonly stopped: StopReason | undefined;
  readonly stdout: Buffer;
}
type StopReason = "timed_out" | "cancelled" | "output_too_large" | "memory_exceeded";

/**
 * Waits for the server's word before it becomes the script, so that the guard knows the group before the script's first instruction;
 * when the server dies before that, the read ends and nothing runs. No core dumps: they would hold the secrets. Where memory runs out, Linux
 * is to end a script and not the server. An enclosure keeps descriptor 3 for further words.
 */
const launcher = (isEnclosed: boolean) => `
{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0
ulimit -f ${limits.scriptFileBytesMax / 512}
read -r word <&3 || exit 125
${isEnclosed ? "" : "exec 3<&-"}
exec "$@"
`;

/**
 * Runs a script in a process group of its own and resolves when nothing of it is left: not the script, nor a child of it, wherever
 * it has gone, as far as it can be seen.
 */
export async function runScript(
  run: ScriptRun,
  pipes: ScriptPipes,
  keepers: { guard: Guard; sweeper: Sweeper },
): Promise<ScriptEnd> {
  const child = launch(run, pipes);
  const group = child.pid;
  if (group === undefined)
    throw new AttemptRefused("spawn_failed", "The script cannot be started: the node has no room for another process.");
  keepers.guard.watch(group);
  const exited = once(child, "exit");
  let stopped: StopReason | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const stop = (reason: StopReason): void => {
    if (stopped || child.exitCode !== null || child.signalCode !== null) return;
    stopped = reason;
    // The first process of an enclosure hears of no signal, and passes the word on to all others.
    if (run.isEnclosed) say(child, "terminate\n");
    else killQuietly(-group, "SIGTERM");
    killTimer = setTimeout(() => killQuietly(-group, "SIGKILL"), limits.scriptKillGraceMs);
  };
  const cancel = (): void => stop("cancelled");
  const stopWatch = run.isEnclosed
    ? watchMemory(group, run.memoryBytesMax, () => {
        stopped ??= "memory_exceeded";
        // At once: it could take as much again while it is asked to end.
        killQuietly(-group, "SIGKILL");
      })
    : () => {};
  const timer = setTimeout(() => stop("timed_out"), run.timeoutMs);
  run.signal.addEventListener("abort", cancel, { once: true });
  const stdout = collect(pipes.stdout, () => stop("output_too_large"));
  pipes.stderr.on("data", run.onStderr);
  const isReady = run.isEnclosed ? readiness(child) : () => true;
  say(child, "go\n", !run.isEnclosed);
  if (run.signal.aborted) cancel();

  const [exitCode, exitSignal] = await exited;
  clearTimeout(timer);
  clearTimeout(killTimer);
  stopWatch();
  run.signal.removeEventListener("abort", cancel);
  await endGroup(group);
  // With the first process of a pid namespace all others of it have ended, wherever they had gone.
  if (!run.isEnclosed) await keepers.sweeper.sweep(run.mark);
  keepers.guard.forget(group);
  await closed([pipes.stdout, pipes.stderr, ...(run.isEnclosed ? [wordsWith(child)] : [])]);
  if (!isReady() && stopped === undefined)
    throw new AttemptRefused("isolation_failed", "The script was not run: it could not be isolated this time.");
  const end = run.isEnclosed ? enclosedEnd(exitCode) : { exitCode, exitSignal };
  return { ...end, stopped, stdout: Buffer.concat(stdout) };
}

/** Shells tell a signal as 128 and its number, and an enclosure ends as its script did by that rule. */
function enclosedEnd(code: number | null): Pick<ScriptEnd, "exitCode" | "exitSignal"> {
  const signal = Object.entries(constants.signals).find(([, number]) => number === (code ?? 0) - 128);
  if (signal && code !== null && code > 128) return { exitCode: null, exitSignal: signal[0] as NodeJS.Signals };
  return { exitCode: code, exitSignal: null };
}

function launch(run: ScriptRun, pipes: ScriptPipes): ChildProcess {
  try {
    const child = spawn("/bin/sh", ["-c", launcher(run.isEnclosed), "riposte", ...run.argv], {
      cwd: run.cwd,
      env: run.environment,
      detached: true,
      stdio: [...pipes.descriptors, "pipe"],
    });
    // Without a process id the caller refuses; without a listener this event would end the server.
    child.on("error", () => {});
    return child;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "E2BIG") {
      throw new AttemptRefused("arguments_too_large", "The arguments are larger than a shell script can be given.");
    }
    throw error;
  } finally {
    closeDescriptors(pipes);
  }
}

/** Descriptor 3: the server's words to the launcher and then to the first process of an enclosure, and what that answers. */
function wordsWith(child: ChildProcess): Socket {
  return child.stdio[3] as Socket;
}

function say(child: ChildProcess, word: string, isLast = false): void {
  const words = wordsWith(child).on("error", () => {});
  words.write(word);
  if (isLast) words.end();
}

/** Tells whether an enclosure has come as far as the script. */
function readiness(child: ChildProcess): () => boolean {
  let isReady = false;
  wordsWith(child).on("data", () => {
    isReady = true;
  });
  return () => isReady;
}

function collect(stream: Socket, onTooLarge: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limits.outputBytesMax) chunks.push(chunk);
    else onTooLarge();
  });
  return chunks;
}

/** Kills what is left of a group and waits until it is gone; what cannot be killed (in the kernel for good) is waited for a while only. */
async function endGroup(group: number): Promise<void> {
  const deadline = performance.now() + limits.scriptGoneMs;
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
async function closed(streams: readonly Socket[]): Promise<void> {
  const ends = Promise.all(streams.map((stream) => (stream.closed ? Promise.resolve() : once(stream, "close"))));
  for (let spell = 0; spell < spells && streams.some((stream) => !stream.closed); spell++) {
    const given = new AbortController();
    const patience = sleep(limits.scriptGoneMs / spells, undefined, { signal: given.signal }).catch(() => {});
    await Promise.race([ends, patience]);
    given.abort();
    await immediate();
  }
}
