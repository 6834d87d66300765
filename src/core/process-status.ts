import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** What Linux tells of a process. */
export interface ProcessStatus {
  /** One letter, such as R, S or Z. @see proc(5) */
  readonly state: string;
  /** The process group. */
  readonly group: number;
  /** How many there are, that of a zombie included. */
  readonly threads: number;
  /** When it began, in clock ticks since the machine did: a pid alone may be another's by now. */
  readonly start: string;
}

/** The status of a process; undefined when there is none, and where there is no /proc. */
export function processStatus(pid: number): ProcessStatus | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  return text === undefined ? undefined : statusOf(text);
}

/** What a line of `/proc/PID/stat` says. */
export function statusOf(text: string): ProcessStatus {
  // The second field, the command in brackets, may hold blanks and brackets itself: the third comes after the last bracket.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "",
    group: Number(fields[2]),
    threads: Number(fields[17]),
    start: fields[19] ?? "",
  };
}

/**
 * True for one that does nothing any more, though whoever started it has not asked for its exit code yet. Of a process that is killed, the first
 * thread is a zombie while others have still to end, up to 0.2 s on a busy machine: until the last one has, its files and connections are open.
 */
export function isZombie({ state, threads }: Pick<ProcessStatus, "state" | "threads">): boolean {
  return state === "X" || (state === "Z" && threads <= 1);
}

/** When a living process began; undefined for one that is gone or a zombie, and where there is no /proc. */
export function processStart(pid: number): string | undefined {
  const status = processStatus(pid);
  return status && !isZombie(status) ? status.start : undefined;
}

/** Names this machine and the time since it began, as far as it tells. */
export function hostAndBoot(): string {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  return boot === undefined ? hostname() : `${hostname()} ${boot}`;
}

/** Names the space in which pids of ours mean something, such as a container's; undefined where the system has none. */
export function processNamespace(): string | undefined {
  return attempt(() => readlinkSync("/proc/self/ns/pid"));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
