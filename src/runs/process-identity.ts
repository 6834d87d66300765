import { hostAndBoot, processNamespace, processStart } from "../core/process-status.ts";

/** Names one process of one machine, for good: a pid alone may be another's tomorrow. */
export interface ProcessIdentity {
  /** The machine, its boot and, on Linux, the process namespace in which `pid` counts. */
  readonly host: string;
  readonly pid: number;
  /** Linux: start time in clock ticks since boot (proc(5), /proc/PID/stat field 22). Elsewhere empty. */
  readonly processStart: string;
}

export function ownIdentity(): ProcessIdentity {
  return { host: thisHost(), pid: process.pid, processStart: processStart(process.pid) ?? "" };
}

/** True when the process was on this machine and is certainly gone. False says nothing: it may be elsewhere, or alive. */
export function isProvablyGone(identity: ProcessIdentity): boolean {
  if (identity.host !== thisHost()) return false;
  if (process.platform === "linux") return processStart(identity.pid) !== identity.processStart;
  try {
    process.kill(identity.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** As long as its column. */
function thisHost(): string {
  return [hostAndBoot(), processNamespace()].filter(Boolean).join(" ").slice(0, 255);
}
