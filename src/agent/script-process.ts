import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { bounds } from "./bounds.ts";
import { createGuard } from "./guard.ts";
import { hasLivingMember, killMarked, killQuietly } from "./processes.ts";
import type { ScriptPipes } from "./script-pipes.ts";
import { TaskRefused } from "./task.ts";

/** A script that is to run. */
export interface ScriptRun {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The value of OPSERVANT_TASK in that environment. */
  readonly mark: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  onStderr(chunk: Buffer): void;
}

/** How it ended. `stopped` says why we ended it, where we did. */
export interface ScriptEnd {
  readonly exitCode: number | null;
  readonly exitSignal: NodeJS.Signals | null;
  readonly stopped: "timed_out" | "aborted" | "output_too_large" | undefined;
  readonly stdout: string;
}

/**
 * Waits for the agent's word before it becomes the script, so that the guard knows the group before the script's first instruction; when the
 * agent dies before that, the read ends and nothing runs. No core dumps: they would hold the secrets.
 */
const launcher = `
ulimit -c 0
ulimit -f ${bounds.scriptFileBytesMax / 512}
read -r word <&3 || exit 125
exec 3<&-
exec "$@"
`;

/** Runs a script in a process group of its own and resolves when nothing of it is left, wherever it has gone, as far as it can be seen. */
export async function runScript(run: ScriptRun, pipes: ScriptPipes): Promise<ScriptEnd> {
  const guard = createGuard(run.mark, run.environment["PATH"] ?? "");
  try {
    return await runGuarded(run, pipes, guard.watch);
  } finally {
    guard.dismiss();
  }
}

async function runGuarded(run: ScriptRun, pipes: ScriptPipes, watch: (group: number) => void): Promise<ScriptEnd> {
  const child = launch(run, pipes);
  const group = child.pid;
  if (group === undefined)
    throw new TaskRefused("spawn_failed", "The script cannot be started: the machine has no room for another process.");
  watch(group);
  const exited = once(child, "exit");
  let stopped: ScriptEnd["stopped"];
  let killTimer: NodeJS.Timeout | undefined;
  const stop = (reason: ScriptEnd["stopped"]): void => {
    if (stopped || child.exitCode !== null || child.signalCode !== null) return;
    stopped = reason;
    killQuietly(-group, "SIGTERM");
    killTimer = setTimeout(() => killQuietly(-group, "SIGKILL"), bounds.scriptKillGraceMs);
  };
  const abort = (): void => stop("aborted");
  const timer = setTimeout(() => stop("timed_out"), run.timeoutMs);
  run.signal.addEventListener("abort", abort, { once: true });
  const stdout = collect(pipes.stdout, () => stop("output_too_large"));
  pipes.stderr.on("data", run.onStderr);
  begin(child);
  if (run.signal.aborted) abort();

  const [exitCode, exitSignal] = await exited;
  clearTimeout(timer);
  clearTimeout(killTimer);
  run.signal.removeEventListener("abort", abort);
  await endGroup(group);
  await killMarked(run.mark);
  await closed(pipes);
  return { exitCode, exitSignal, stopped, stdout: new TextDecoder().decode(Buffer.concat(stdout)) };
}

function launch(run: ScriptRun, pipes: ScriptPipes): ChildProcess {
  try {
    const child = spawn("/bin/sh", ["-c", launcher, "opservant", ...run.argv], {
      cwd: run.cwd,
      env: run.environment,
      detached: true,
      stdio: [...pipes.descriptors, "pipe"],
    });
    // Without a process id the caller refuses; without a listener this event would end the agent.
    child.on("error", () => {});
    return child;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "E2BIG") {
      throw new TaskRefused("arguments_too_large", "The arguments are larger than a shell script can be given.");
    }
    throw error;
  } finally {
    pipes.handOver();
  }
}

/** The launcher's word. */
function begin(child: ChildProcess): void {
  const word = child.stdio[3];
  word?.on("error", () => {});
  if (word && "end" in word) word.end("go\n");
}

function collect(stream: Socket, onTooLarge: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= bounds.outputBytesMax) chunks.push(chunk);
    else onTooLarge();
  });
  return chunks;
}

/** Kills what is left of a group and waits until it is gone; what cannot be killed (in the kernel for good) is waited for a while only. */
async function endGroup(group: number): Promise<void> {
  const deadline = performance.now() + bounds.scriptGoneMs;
  for (let round = 0; performance.now() < deadline; round++) {
    try {
      process.kill(-group, "SIGKILL");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    }
    // What is dead but not yet collected by its parent still counts as a member for the kernel, sometimes for long.
    if (round >= 3 && process.platform === "linux" && !hasLivingMember(group)) return;
    await sleep(5);
  }
}

/** Of the patience with pipes that do not close. */
const spells = 20;

/**
 * Waits for the last bytes. Whoever still holds the pipes, unseen, does not hold up the task. A loop that is held up can run timers for seconds
 * without looking at a pipe; an immediate comes only after it has looked, so what was written is read before this gives up.
 */
async function closed({ stdout, stderr }: ScriptPipes): Promise<void> {
  const streams = [stdout, stderr];
  const ends = Promise.all(streams.map((stream) => (stream.closed ? Promise.resolve() : once(stream, "close"))));
  for (let spell = 0; spell < spells && streams.some((stream) => !stream.closed); spell++) {
    const given = new AbortController();
    const patience = sleep(bounds.scriptGoneMs / spells, undefined, { signal: given.signal }).catch(() => {});
    await Promise.race([ends, patience]);
    given.abort();
    await immediate();
  }
}
