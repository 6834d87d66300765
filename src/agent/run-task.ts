import { delimiter, dirname, join } from "node:path";
import { createLogLines } from "./log-lines.ts";
import { killMarked, markVariable } from "./processes.ts";
import { scriptCommand } from "./script-command.ts";
import { completionOf, outputTooLarge } from "./script-output.ts";
import { openScriptPipes } from "./script-pipes.ts";
import { runScript, type ScriptEnd } from "./script-process.ts";
import { type Completion, type LogLine, type Task, TaskRefused } from "./task.ts";
import { createWorkDirectory, removeDirectory } from "./work-directory.ts";

/** Where scripts work and by what they run. */
export interface Host {
  /** The agent's id: what its processes are found by. */
  readonly agentId: string;
  /** Holds the working copies; the agent's own. */
  readonly workDirectory: string;
  /** The Node that runs `.js` and `.mjs`; the agent's own by default. */
  readonly node?: string;
}

const usualPath = [
  ...["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/bin"],
  dirname(process.execPath),
].join(delimiter);

/**
 * Runs the script of a task by the contract of local actions: a fresh copy of the package, a minimal environment, a process group of its own.
 * Resolves when nothing of it is left.
 * @returns Undefined where the script was ended, or not begun, because the signal was aborted.
 */
export async function runTask(
  task: Task,
  { host, signal, onLine }: { host: Host; signal: AbortSignal; onLine(line: LogLine): void },
): Promise<Completion | undefined> {
  const home = join(host.workDirectory, task.taskId);
  try {
    const end = await runIn(home, task, { host, signal, onLine });
    return end && outcomeOf(end, task);
  } catch (error) {
    if (!(error instanceof TaskRefused)) throw error;
    return { error: { code: error.code, message: error.message } };
  } finally {
    // What cannot be removed now is removed when an agent starts here again.
    await removeDirectory(home).catch(() => {});
  }
}

/** Ends what an earlier life of this agent left behind: its scripts, as far as they can be found (Linux), and their directories. */
export async function removeLeftovers({ agentId, workDirectory }: Host): Promise<void> {
  await killMarked(`${agentId}/`);
  await removeDirectory(workDirectory).catch(() => {});
}

async function runIn(
  home: string,
  task: Task,
  { host, signal, onLine }: { host: Host; signal: AbortSignal; onLine(line: LogLine): void },
): Promise<ScriptEnd | undefined> {
  const command = await scriptCommand(task, { node: host.node ?? process.execPath, path: usualPath });
  const directory = await createWorkDirectory(home, task);
  const pipes = await openScriptPipes(home, { path: usualPath, stdin: JSON.stringify(task.parameters) });
  const lines = createLogLines(task.secretNames.length > 0, onLine);
  if (signal.aborted) {
    pipes.handOver();
    pipes.close();
    return undefined;
  }
  const mark = `${host.agentId}/${task.taskId}`;
  const environment = {
    ...command.environment,
    PATH: usualPath,
    HOME: directory.home,
    TMPDIR: directory.temporary,
    LANG: "C.UTF-8",
    // Lines as they are written, and no compiled copies beside the package.
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    IDEMPOTENCY_KEY: task.idempotencyKey,
    [markVariable]: mark,
  };
  const run = { argv: command.argv, cwd: directory.package, environment, mark, signal };
  try {
    return await runScript({ ...run, timeoutMs: task.timeoutSeconds * 1_000, onStderr: lines.push }, pipes);
  } finally {
    pipes.close();
    lines.end();
  }
}

function outcomeOf(end: ScriptEnd, task: Task): Completion | undefined {
  switch (end.stopped) {
    case undefined:
      return completionOf(end);
    case "aborted":
      return undefined;
    case "output_too_large":
      return { error: outputTooLarge };
    case "timed_out":
      return { error: { code: "timed_out", message: `The script was ended after ${task.timeoutSeconds} s.` } };
    default:
      return end.stopped satisfies never;
  }
}
