import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { limits } from "../core/limits.ts";
import { socketDirectoryPrefix } from "./socket-directory.ts";

/**
 * Ends what a dead PostgreSQL or a dead server left running on a cluster, and removes what would stand in the way of the
 * next start, in `socketDirectory` too. Call it while holding the claim of the data directory. Nothing is adopted: a
 * PostgreSQL that is shutting down still accepts connections.
 * @throws Error naming the process, when a PostgreSQL that we did not start works on the cluster.
 */
export async function clearCluster(clusterDirectory: string, socketDirectory: string): Promise<void> {
  const lock = readLock(clusterDirectory);
  // A cluster that a person started by hand has its socket elsewhere.
  const isOurs = path.basename(lock?.socketDirectory ?? "").startsWith(socketDirectoryPrefix);
  const left = postgresProcesses(clusterDirectory);
  if (left.length > 0 && lock !== undefined && left.includes(lock.pid)) {
    if (!isOurs) throw new Error(`The database in ${clusterDirectory} is in use by PostgreSQL process ${lock.pid}.`);
    signal(lock.pid, "SIGINT");
    await waitUntilGone(clusterDirectory, limits.postgresStopMs);
  } else {
    // Backends notice by themselves that their postmaster has died, unless they are busy.
    await waitUntilGone(clusterDirectory, limits.postgresOrphanMs);
  }
  for (const pid of postgresProcesses(clusterDirectory)) signal(pid, "SIGKILL");
  await waitUntilGone(clusterDirectory, limits.postgresStopMs);
  makeLockStale(clusterDirectory);
  for (const name of readdirSync(socketDirectory)) rmSync(path.join(socketDirectory, name), { force: true });
}

interface Lock {
  readonly pid: number;
  readonly socketDirectory: string;
}

/** postmaster.pid: line 1 is the process, line 5 the directory of the socket. */
function readLock(clusterDirectory: string): Lock | undefined {
  try {
    const lines = readFileSync(path.join(clusterDirectory, "postmaster.pid"), "utf8").split("\n");
    return { pid: Number(lines[0]), socketDirectory: lines[4] ?? "" };
  } catch {
    return undefined;
  }
}

/**
 * PostgreSQL refuses to start while its lock names a process that exists, which may be a zombie that pid 1 has not reaped
 * or, after a reboot, anything. The lock is not removed, though: with our own pid in it, which PostgreSQL takes for the
 * stale lock of its parent, it still checks that nobody is attached to the old shared memory, and cleans that up.
 */
function makeLockStale(clusterDirectory: string): void {
  const file = path.join(clusterDirectory, "postmaster.pid");
  const lock = readLock(clusterDirectory);
  if (lock === undefined || !(Number.isInteger(lock.pid) && lock.pid > 0)) {
    rmSync(file, { force: true }); // empty: it was killed while writing it
    return;
  }
  if (!exists(lock.pid)) return;
  const lines = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, [process.pid, ...lines.slice(1)].join("\n"));
}

async function waitUntilGone(clusterDirectory: string, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  while (postgresProcesses(clusterDirectory).length > 0 && performance.now() < end) {
    await sleep(20);
    // Where a look takes longer than the wait, timers alone would keep the server from everything else.
    await immediate();
  }
}

/** Live PostgreSQL processes of a cluster, without zombies. Each of them works in the cluster's directory. */
function postgresProcesses(clusterDirectory: string): number[] {
  if (process.platform !== "linux") return postmasterByPs(clusterDirectory);
  const directory = realpathSync(clusterDirectory);
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === directory && /\/postgres\b/.test(readlinkSync(`/proc/${pid}/exe`));
      } catch {
        return false; // gone, a zombie, another user's, or no process
      }
    });
}

/** Where there is no /proc: the postmaster alone, if the process that the lock names is one. */
function postmasterByPs(clusterDirectory: string): number[] {
  const pid = readLock(clusterDirectory)?.pid;
  if (pid === undefined || !exists(pid)) return [];
  try {
    const line = execFileSync("/bin/ps", ["-o", "stat=,comm=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return line.startsWith("Z") || !line.includes("postgres") ? [] : [pid];
  } catch {
    return [];
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function signal(pid: number, name: "SIGINT" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}
