import { readdir, readFile } from "node:fs/promises";

/**
 * Whose scripts are whose. Every process of a script carries `<variable>=<name>/<id of the attempt>` in its environment, by which it is found (on
 * Linux) also when it has left the script's process group.
 */
export interface ScriptOwner {
  readonly variable: string;
  /** One life of a program: no later one has the same. */
  readonly name: string;
}

/** Ends the processes of attempts wherever they have gone. */
export interface Sweeper {
  /** Resolves when no process carries the mark any more, as far as can be seen (Linux only). */
  sweep(mark: string): Promise<void>;
}

/** One look through /proc serves every attempt that ended since the last one, so that many ends at once do not cost many looks. */
export function createSweeper(variable: string): Sweeper {
  let waiting = new Map<string, () => void>();
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    try {
      while (waiting.size > 0) {
        const batch = waiting;
        waiting = new Map();
        await killMarked(variable, (mark) => batch.has(mark)).catch(() => 0);
        for (const done of batch.values()) done();
      }
    } finally {
      isRunning = false;
    }
  }

  return {
    sweep: (mark) => {
      if (process.platform !== "linux") return Promise.resolve();
      return new Promise((resolve) => {
        waiting.set(mark, resolve);
        if (!isRunning) void run();
      });
    },
  };
}

/** Rounds of one hunt: what forks faster than it is found would hold up its hunter for ever. */
const roundsMax = 50;

/**
 * Kills until a look finds none, since a process may fork between being seen and being killed.
 * @returns How many there were; none where there is no /proc.
 */
export async function killMarked(variable: string, isWanted: (mark: string) => boolean): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < roundsMax; round++) {
    const wanted = (await markedProcesses(variable)).filter(({ mark }) => isWanted(mark));
    if (wanted.length === 0) break;
    for (const { pid } of wanted) {
      killed.add(pid);
      killQuietly(pid, "SIGKILL");
    }
  }
  return killed.size;
}

interface MarkedProcess {
  readonly pid: number;
  readonly mark: string;
}

/** Open files at once while looking through /proc: a host has thousands of processes, and a program few descriptors to spare. */
const readsAtOnce = 64;

async function markedProcesses(variable: string): Promise<MarkedProcess[]> {
  const entries = await readdir("/proc").catch(() => []);
  const pids = entries.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: MarkedProcess[] = [];
  for (let start = 0; start < pids.length; start += readsAtOnce) {
    const some = pids.slice(start, start + readsAtOnce);
    found.push(...(await Promise.all(some.map((pid) => readMark(pid, variable)))).flat());
  }
  return found;
}

async function readMark(pid: number, variable: string): Promise<MarkedProcess[]> {
  if (pid === process.pid) return [];
  // Unreadable: gone in the meantime, or another user's.
  const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
  const mark = environment.split("\0").find((each) => each.startsWith(`${variable}=`));
  return mark === undefined ? [] : [{ pid, mark: mark.slice(variable.length + 1) }];
}

/** Signals a process, or a group by its negative number, which may be gone already. */
export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, or no longer ours to signal.
  }
}
