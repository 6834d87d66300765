import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

/** Every process of a script carries `OPSERVANT_TASK=<agent>/<task>` in its environment, by which it is found (on Linux) wherever it has gone. */
export const markVariable = "OPSERVANT_TASK";

/** Rounds of one hunt: what forks faster than it is found would hold up the agent for ever. */
const roundsMax = 50;
/** Open files at once while looking through /proc. */
const readsAtOnce = 64;

/** Kills every process whose mark begins so, until a look finds none. @returns How many there were; none where there is no /proc. */
export async function killMarked(beginning: string): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < roundsMax; round++) {
    const found = await markedProcesses(beginning);
    if (found.length === 0) break;
    for (const pid of found) {
      killed.add(pid);
      killQuietly(pid, "SIGKILL");
    }
  }
  return killed.size;
}

async function markedProcesses(beginning: string): Promise<number[]> {
  const entries = process.platform === "linux" ? await readdir("/proc").catch(() => []) : [];
  const pids = entries.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  for (let start = 0; start < pids.length; start += readsAtOnce) {
    const some = pids.slice(start, start + readsAtOnce);
    const marked = await Promise.all(some.map((pid) => isMarked(pid, beginning)));
    found.push(...some.filter((_pid, index) => marked[index]));
  }
  return found;
}

async function isMarked(pid: number, beginning: string): Promise<boolean> {
  if (pid === process.pid) return false;
  // Unreadable: gone in the meantime, or another user's.
  const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
  return `\0${environment}`.includes(`\0${markVariable}=${beginning}`);
}

/** Signals a process, or a group by its negative number, which may be gone already. */
export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, or not ours to signal.
  }
}

/** When a living process began, in clock ticks since the machine did; undefined for one that is gone, and where there is no /proc. */
export function processStart(pid: number): string | undefined {
  const fields = statusFields(pid);
  return fields && !/[ZX]/.test(fields[0] ?? "") ? fields[19] : undefined;
}

/** Whether a group has a member that is no zombie, as far as /proc tells. */
export function hasLivingMember(group: number): boolean {
  return readdirSync("/proc").some((name) => {
    const fields = /^\d+$/.test(name) ? statusFields(Number(name)) : undefined;
    return fields !== undefined && Number(fields[2]) === group && !/[ZX]/.test(fields[0] ?? "");
  });
}

/** The fields of proc(5)'s stat from the third on: state, parent, group, …. */
function statusFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field, the command in brackets, may hold blanks and brackets itself: the third comes after the last bracket.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
