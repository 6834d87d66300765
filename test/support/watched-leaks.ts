import type { ChildProcess } from "node:child_process";
import { expect } from "vitest";
import type { NotedSecret } from "./leak-finder.ts";
import { LeakWatch } from "./leak-watch.ts";
import { isNotSecret } from "./not-secret.ts";

/** What this test file's process is looked at by; see watch-leaks.ts. */
export const leakWatch = new LeakWatch((secret) => isNotSecret(secret, expect.getState().testPath ?? ""));

/** Looks through what a process of ours prints. Call it at once, before anything is read. */
export function hearOutput({ stdout, stderr }: ChildProcess, whose: string): void {
  for (const stream of [stdout, stderr]) {
    stream?.on("data", (chunk) => leakWatch.hear(`what ${whose} prints`, String(chunk)));
  }
}

/** Operations that answer a token, once, to whoever asked for it. */
const tokenOperations: ReadonlySet<string> = new Set([
  "createApiToken",
  "createTenant",
  "createAgentEnrolment",
  "enrolAgent",
]);

const toldTokens = new Set<string>();

/** Who may see a secret in an answer: the one who made a token, the first time, and the agent that is given a task. */
export function mayBeAnswered({ origin, value }: NotedSecret, before: string): boolean {
  const operation = operationOf(before);
  if (operation === "agentTasks") return true;
  if (origin !== "token" || !tokenOperations.has(operation ?? "") || toldTokens.has(value)) return false;
  toldTokens.add(value);
  return true;
}

/** The first field of the answer that the text ends within; undefined where it is no answer to an operation. */
function operationOf(text: string): string | undefined {
  const start = Math.max(text.lastIndexOf("HTTP/1.1 "), text.lastIndexOf('"type":"next"'));
  return /"data":\{"(\w+)":/.exec(text.slice(Math.max(0, start)))?.[1];
}
