import type { ChildProcess } from "node:child_process";
import type pg from "pg";
import { expect } from "vitest";
import type { NotedSecret } from "./leak-finder.ts";
import { LeakWatch } from "./leak-watch.ts";
import { isNotSecret } from "./not-secret.ts";
import { WatchedProcesses } from "./watched-processes.ts";

/** What this test file's process is looked at by; see watch-leaks.ts. */
export const leakWatch = new LeakWatch((secret) => isNotSecret(secret, expect.getState().testPath ?? ""));

/** Programs of ours that this test file runs in processes of their own. */
const processes = new WatchedProcesses();
/** Of databases of theirs, whether all that was ever written to it has been looked through. */
const databases = new Map<string, boolean>();
let outputs = 0;

/** Options for a Node that runs a program of ours in a process of its own, so that it is watched as this process is. */
export const watchedArguments = (): readonly string[] => processes.watch();

/** Looks through what a process of ours prints. Call it at once, before anything is read. */
export function hearOutput({ stdout, stderr }: ChildProcess, whose: string): void {
  for (const [name, stream] of Object.entries({ stdout, stderr })) {
    const place = `what ${whose} prints (${name} ${++outputs})`;
    stream?.on("data", (chunk) => leakWatch.hear(place, String(chunk), mayBePrinted));
  }
}

/** Looks at every text of a database of tests. */
export async function searchDatabase(client: pg.ClientBase): Promise<void> {
  hearProcesses();
  await leakWatch.search(client);
}

/** Every leak of this test file up to now, also of the processes that it has started. */
export function allLeaks(): readonly string[] {
  hearProcesses();
  const unread = [...databases].filter(([, isRead]) => !isRead).map(([directory]) => directory);
  databases.clear();
  return [
    ...leakWatch.leaks(),
    ...unread.map((directory) => `nobody has read the database in ${directory}: end its last server by SIGTERM`),
  ];
}

/** What processes have told is forgotten, after the last look. */
export function forgetProcesses(): void {
  processes.close();
}

function hearProcesses(): void {
  for (const [number, [kind, name, text = ""]] of processes.reports()) {
    const whose = `process ${number}`;
    if (kind === "secret") leakWatch.note(name, text);
    else if (kind === "log") leakWatch.hear(`the log of ${whose}`, name);
    else if (kind === "answer") leakWatch.hear(`an answer (${whose}, connection ${name})`, text, mayBeAnswered);
    else if (kind === "column") leakWatch.hear(`the column ${name} of ${whose}`, text);
    else databases.set(name, kind === "read");
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

/** Who starts a server that makes the first admin's token is shown it, and then what to do next with it. */
function mayBePrinted({ origin, value }: NotedSecret, before: string): boolean {
  const introduction = "shown this once and stored nowhere:\n    ";
  return origin === "token" && (before.endsWith(introduction) || before.includes(`${introduction}${value}\n`));
}
