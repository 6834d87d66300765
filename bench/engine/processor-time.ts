import { readdirSync, readFileSync } from "node:fs";

/** Processor time used so far, in milliseconds, in steps of 10 ms. Linux only: NaN elsewhere. */
export function processMs(pid: number): number {
  return statOf(pid)?.ownMs ?? Number.NaN;
}

/** That of a PostgreSQL: its postmaster, its children, and those that have ended. */
export function postgresMs(postmaster: number): number {
  const own = statOf(postmaster);
  if (!own) return Number.NaN;
  let ms = own.ownMs + own.endedMs;
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat?.parent === postmaster) ms += stat.ownMs + stat.endedMs;
  }
  return ms;
}

interface Stat {
  readonly parent: number;
  readonly ownMs: number;
  /** Of children that have ended and were waited for. */
  readonly endedMs: number;
}

const tickMs = 10;

/** @see proc_pid_stat(5): after the name in brackets come state, ppid, …, utime (14th), stime, cutime, cstime. */
function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = (index: number) => Number(fields[index]) * tickMs;
    return { parent: Number(fields[1]), ownMs: ticks(11) + ticks(12), endedMs: ticks(13) + ticks(14) };
  } catch {
    return undefined;
  }
}
