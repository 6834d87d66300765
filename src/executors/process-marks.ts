import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { isZombie, processNamespace, processStart, processStatus } from "../core/process-status.ts";

/**
 * Every process of a script carries `RIPOSTE_ATTEMPT=<server>/<attempt>` in its environment. A server is `<installation>-<pid>-<start>`; an
 * installation is one work directory as seen by one host.
 */
export const markVariable = "RIPOSTE_ATTEMPT";

/** Names the installation of a work directory: hosts and containers that share a disk do not see each other's processes. */
export function installationOf(workDirectory: string): string {
  const parts = [resolve(workDirectory), hostname(), processNamespace() ?? ""];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}

/** The name of the server that is this process. */
export function ownServer(workDirectory: string): string {
  return `${installationOf(workDirectory)}-${process.pid}-${processStart(process.pid) ?? 0}`;
}

/** True while the process that a server's name states is alive and not another one with its number. */
export function isAlive(server: string): boolean {
  const [, number, start] = server.split("-");
  const pid = Number(number);
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const status = processStatus(pid);
  if (status && isZombie(status)) return false;
  return (status?.start ?? "0") === start;
}
