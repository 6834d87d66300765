import { randomUUID } from "node:crypto";
import { delimiter, dirname, join } from "node:path";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { scriptLimits } from "../core/script-limits.ts";
import { createLogLines, type LineRules } from "../scripts/log-lines.ts";
import { killMarked } from "../scripts/marked-processes.ts";
import { createScriptKeeper, runScript, type ScriptKeeper } from "../scripts/run-script.ts";
import type { PackageFile, ScriptCall } from "../scripts/script-call.ts";
import { type Programs, usualPath } from "../scripts/script-command.ts";
import { removeDirectory } from "../scripts/work-directory.ts";
import { completionOf } from "./completion.ts";
import type { Completion, LogLine, Task, TaskFile } from "./task.ts";

/** Where scripts work. */
export interface Place {
  /** The agent's id: what its processes are found by. */
  readonly agentId: string;
  /** Holds the working copies; the agent's own. */
  readonly workDirectory: string;
}

/** What scripts run by, as long as this agent lives. */
export interface Host {
  readonly workDirectory: string;
  readonly programs: Programs;
  readonly keeper: ScriptKeeper;
}

/** Every process of a script carries `OPSERVANT_TASK=<agent>/<life>/<task>` in its environment. */
const markVariable = "OPSERVANT_TASK";

/** Has a name for each life: the guard of the last one may still be at its work. */
export function createHost({ agentId, workDirectory }: Place): Host {
  const path = [usualPath, dirname(process.execPath)].join(delimiter);
  const owner = { variable: markVariable, name: `${agentId}/${randomUUID()}` };
  return { workDirectory, programs: { node: process.execPath, path }, keeper: createScriptKeeper(owner, path) };
}

/** Ends what an earlier life of this agent left behind: its scripts, as far as they can be found (Linux), and their directories. */
export async function removeLeftovers({ agentId, workDirectory }: Place): Promise<void> {
  await killMarked(markVariable, (mark) => mark.startsWith(`${agentId}/`));
  await removeDirectory(workDirectory).catch(() => {});
}

/**
 * Runs the script of a task by the contract of local actions.
 * @returns Undefined where the script was ended, or not begun, because the signal was aborted.
 */
export async function runTask(
  task: Task,
  { host, signal, onLine }: { host: Host; signal: AbortSignal; onLine(line: LogLine): void },
): Promise<Completion | undefined> {
  const { taskId: id, idempotencyKey, timeoutSeconds, secretNames } = task;
  const { workDirectory, programs, keeper } = host;
  const rules = secretNames.length > 0 ? secretRules : {};
  const run = {
    ...{ id, home: join(workDirectory, id), programs, idempotencyKey, signal },
    ...{ call: callOf(task), timeoutMs: timeoutSeconds * 1_000 },
    lines: createLogLines((stream, text) => onLine({ stream, text }), rules),
  };
  try {
    const end = await runScript(run, keeper);
    return end && completionOf(end, task);
  } catch (error) {
    if (error instanceof AttemptRefused) return { error: error.error };
    throw error;
  }
}

/** The server masks whole values only. */
const secretRules: LineRules = {
  tooLong: `[a line of more than ${scriptLimits.logLineBytesMax} bytes is left out: a cut could leave half a secret]`,
};

function callOf(task: Task): ScriptCall {
  return {
    ...{ target: task.entry, files: task.files.map(fileOf), arguments: task.parameters },
    ...{ parameterNames: task.parameterNames, secretNames: new Set(task.secretNames) },
  };
}

function fileOf({ path, content, encoding, executable }: TaskFile): PackageFile {
  return { path, content: Buffer.from(content, encoding === "BASE64" ? "base64" : "utf8"), executable };
}
