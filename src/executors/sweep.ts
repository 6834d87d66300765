import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { installationOf, isAlive, markedProcesses } from "./process-marks.ts";
import { removeDirectory } from "./work-directory.ts";

/** Rounds of one sweep: what forks faster than it is found would hold up the server for ever. */
const roundsMax = 50;

/** Ends the processes of attempts wherever they have gone. */
export interface Sweeper {
  /** Resolves when no process carries the mark any more, as far as can be seen (Linux only). */
  sweep(mark: string): Promise<void>;
}

/** One look through /proc serves every attempt that ended since the last one, so that many ends at once do not cost many looks. */
export function createSweeper(): Sweeper {
  let waiting = new Map<string, () => void>();
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    try {
      while (waiting.size > 0) {
        const batch = waiting;
        waiting = new Map();
        await killMarked((mark) => batch.has(mark)).catch(() => 0);
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

/**
 * Ends what a server that died in this work directory left behind: its scripts, as far as they can be found (Linux), and its
 * directories. Call it when a server starts. Servers that are alive, on this host or another, are left alone.
 * @returns How many processes were killed and directories removed.
 */
export async function sweepLeftovers(place: {
  readonly workDirectory: string;
}): Promise<{ processes: number; directories: number }> {
  const installation = `${installationOf(place.workDirectory)}-`;
  const isDead = (server: string): boolean => server.startsWith(installation) && !isAlive(server);
  const processes = await killMarked((mark) => isDead(mark.split("/")[0] ?? ""));
  const names = await readdir(place.workDirectory).catch(() => []);
  const dead = names.filter(isDead);
  for (const name of dead) await removeDirectory(join(place.workDirectory, name));
  return { processes, directories: dead.length };
}

/** Kills until a look finds none, since a process may fork between being seen and being killed. */
async function killMarked(isWanted: (mark: string) => boolean): Promise<number> {
  const killed = new Set<number>();
  for (let round = 0; round < roundsMax; round++) {
    const wanted = (await markedProcesses()).filter(({ mark }) => isWanted(mark));
    if (wanted.length === 0) break;
    for (const { pid } of wanted) {
      killed.add(pid);
      killQuietly(pid, "SIGKILL");
    }
  }
  return killed.size;
}

/** Signals a process, or a group by its negative number, which may be gone already. */
export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, or no longer ours to signal.
  }
}
