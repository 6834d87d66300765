import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Names one process of one machine, for good: a pid alone may be another's tomorrow. */
export interface ProcessIdentity {
  /** The machine, its boot and, on Linux, the process namespace in which `pid` counts. */
  readonly host: string;
  readonly pid: number;
  /** Linux: start time in clock ticks since boot (proc(5), /proc/PID/stat field 22). Elsewhere empty. */
  readonly processStart: string;
}

export function ownIdentity(): ProcessIdentity {
  return { host: thisHost(), pid: process.pid, processStart: startOf(process.pid) ?? "" };
}

/** True when the process was on this machine and is certainly gone. False says nothing: it may be elsewhere, or alive. */
export function isProvablyGone(identity: ProcessIdentity): boolean {
  if (identity.host !== thisHost()) return false;
  if (process.platform === "linux") return startOf(identity.pid) !== identity.processStart;
  try {
    process.kill(identity.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function thisHost(): string {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"));
  return [hostname(), boot, namespace].filter(Boolean).join(" ").slice(0, 255);
}

/** Start time of a live process; undefined when there is none, and for a zombie, which does nothing any more. */
function startOf(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // The second field, the command in brackets, may itself hold spaces and brackets.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
