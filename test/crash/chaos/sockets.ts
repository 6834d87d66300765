import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A TCP connection over IPv4 loopback, by its two ports. */
export interface Connection {
  readonly ourPort: number;
  readonly theirPort: number;
}

/** Whether connections can be looked at: as Linux shows them. Elsewhere nothing can be said about them. */
export const canSeeConnections = process.platform === "linux";

/**
 * Whether the other end is open, as the kernel knows it: a process that ends, in whatever way, lets go of it at once. Our own end hears of that when
 * the machine comes to it, and our event loop later still.
 */
export function isHeld({ ourPort, theirPort }: Connection): boolean {
  return rows().some((row) => isOf(row, theirPort, ourPort) && row.state === established && row.inode !== ofNobody);
}

/** Which of these processes holds the other end; undefined when none of them does. */
export function holderOf({ ourPort, theirPort }: Connection, pids: readonly number[]): number | undefined {
  const other = rows().find((row) => isOf(row, theirPort, ourPort));
  return other && pids.find((pid) => socketsOf(pid).has(`socket:[${other.inode}]`));
}

interface Row {
  readonly local: number;
  readonly remote: number;
  readonly state: string;
  readonly inode: string;
}

/** @see proc_net_tcp.rst of Linux */
const established = "01";
/** The inode of a socket that no process has any more. */
const ofNobody = "0";

function rows(): Row[] {
  if (!canSeeConnections) return [];
  const lines = readFileSync("/proc/net/tcp", "latin1").trimEnd().split("\n").slice(1);
  return lines.map((line) => {
    const [, local = "", remote = "", state = "", , , , , , inode = ""] = line.trim().split(/\s+/);
    return { local: portOf(local), remote: portOf(remote), state, inode };
  });
}

function portOf(address: string): number {
  return Number.parseInt(address.split(":")[1] ?? "0", 16);
}

function isOf({ local, remote }: Row, from: number, to: number): boolean {
  return local === from && remote === to;
}

function socketsOf(pid: number): ReadonlySet<string> {
  const directory = `/proc/${pid}/fd`;
  try {
    return new Set(readdirSync(directory).map((name) => read(`${directory}/${name}`)));
  } catch {
    return new Set();
  }
}

function read(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
