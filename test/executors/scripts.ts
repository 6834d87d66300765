import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../../src/core/json.ts";
import type { LocalCall, Outcome } from "../../src/executors/executor.ts";
import { type Isolation, probeIsolation, withoutIsolation } from "../../src/executors/isolation.ts";
import type { ProductionIsolation, ScriptNetwork } from "../../src/executors/isolation-policy.ts";
import { createLocalExecutor } from "../../src/executors/local.ts";
import { sweepLeftovers } from "../../src/executors/sweep.ts";

/** A local call of one script. */
export function scriptCall(target: string, script: string, given: Partial<LocalCall> = {}): LocalCall {
  const files = [{ path: target, content: Buffer.from(script), executable: false }];
  const names = Object.keys(given.arguments ?? {});
  return { type: "local", target, files, arguments: {}, parameterNames: names, secretNames: new Set(), ...given };
}

/** What a host that cannot isolate answers. */
export const noIsolation = withoutIsolation({ reason: "This is a test.", remedy: "End it." });

const probes = new Map<string, Promise<Isolation>>();

/** What this host can do, of all kinds or one, found out once. */
export function hostIsolation(kind?: "bubblewrap" | "unshare"): Promise<Isolation> {
  const found = probes.get(kind ?? "any") ?? probe(kind);
  probes.set(kind ?? "any", found);
  return found;
}

/** In one place for all test processes of a user: each clears what those before it left. */
async function probe(kind: "bubblewrap" | "unshare" | undefined): Promise<Isolation> {
  const workDirectory = join(tmpdir(), `riposte-test-isolation-${process.getuid?.()}`, kind ?? "any");
  await sweepLeftovers({ workDirectory });
  return probeIsolation({ workDirectory, ...(kind && { kinds: [kind] }) });
}

/** Every kind of isolation that this host has; none in a container that forbids namespaces, and outside of Linux. */
export async function hostIsolations(): Promise<Isolation[]> {
  const found = await Promise.all([hostIsolation("bubblewrap"), hostIsolation("unshare")]);
  return found.filter(({ kind }) => kind !== "none");
}

export interface Given {
  /** What this host can do by default. */
  readonly isolation?: Isolation;
  /** `required` by default, where this host can; else `off`. */
  readonly production?: ProductionIsolation;
  readonly network?: ScriptNetwork;
  readonly sandbox?: true;
  readonly memoryBytesMax?: number;
  readonly secrets?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  onLog?(stream: string, text: string): void;
  logRoom?(): Promise<void> | undefined;
}

/** Runs a call in a work directory of its own, which it answers with its path, removed. */
export async function runLocal(
  call: LocalCall,
  {
    secrets = [],
    timeoutMs = 20_000,
    signal,
    onLog,
    logRoom,
    isolation,
    production,
    network,
    sandbox,
    memoryBytesMax,
  }: Given = {},
): Promise<{ outcome: Outcome; lines: string[]; workDirectory: string }> {
  const workDirectory = await mkdtemp(join(tmpdir(), "riposte-test-"));
  const lines: string[] = [];
  try {
    const ability = isolation ?? (await hostIsolation());
    const host = { workDirectory, isolation: ability, production: production ?? (ability.lack ? "off" : "required") };
    const outcome = await createLocalExecutor({
      ...host,
      ...(network && { network }),
      ...(memoryBytesMax && { memoryBytesMax }),
    })({
      call,
      idempotencyKey: "run-1/step-1",
      timeoutMs,
      signal: signal ?? new AbortController().signal,
      secrets,
      ...(sandbox && { sandbox }),
      onLog: (stream, text) => {
        lines.push(`${stream} ${text}`);
        onLog?.(stream, text);
      },
      logRoom,
    });
    return { outcome, lines, workDirectory };
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** The output of a call that has to succeed. */
export async function outputOf(call: LocalCall, given?: Given): Promise<Json> {
  const { outcome, lines } = await runLocal(call, given);
  if (outcome.status !== "SUCCEEDED") throw new Error(JSON.stringify([outcome, lines]));
  return outcome.output;
}

/** True while a process exists and is no zombie. */
export function isRunning(pid: number): boolean {
  if (!(pid > 0)) throw new Error(`${pid} is no process id.`);
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (!existsSync("/proc/self/stat")) return true;
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** Processes of this host whose command line holds a text. */
export function processesWith(text: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}

/** Waits until a condition holds; the test's own timeout is the bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}
