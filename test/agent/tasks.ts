import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost, runTask } from "../../src/agent/run-task.ts";
import type { Completion, Task } from "../../src/agent/task.ts";
import type { Json } from "../../src/core/json.ts";

/** A task of one script. */
export function taskOf(entry: string, script: string, given: Partial<Task> = {}): Task {
  return {
    taskId: randomUUID(),
    leaseSeconds: 1,
    runId: "run-1",
    stepId: "step-1",
    attempt: 1,
    idempotencyKey: "run-1/step-1",
    action: { name: "patch-check", version: "1.0.0" },
    entry,
    files: [{ path: entry, content: script, encoding: "UTF8", executable: false }],
    parameters: {},
    parameterNames: Object.keys(given.parameters ?? {}),
    secretNames: [],
    timeoutSeconds: 20,
    ...given,
  };
}

/** Runs a task in a work directory of its own, which it answers with its path, removed. */
export async function perform(
  task: Task,
  { signal = new AbortController().signal, onLine }: { signal?: AbortSignal; onLine?(text: string): void } = {},
): Promise<{ completion: Completion | undefined; lines: string[] }> {
  const workDirectory = await mkdtemp(join(tmpdir(), "opservant-test-"));
  const lines: string[] = [];
  try {
    const completion = await runTask(task, {
      host: createHost({ agentId: randomUUID(), workDirectory }),
      signal,
      onLine: ({ stream, text }) => {
        lines.push(`${stream} ${text}`);
        onLine?.(text);
      },
    });
    return { completion, lines };
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** The result of a task that has to succeed. */
export async function resultOf(task: Task): Promise<Json> {
  const { completion, lines } = await perform(task);
  if (completion?.exitCode !== 0) throw new Error(JSON.stringify([completion, lines]));
  return completion.result ?? null;
}
