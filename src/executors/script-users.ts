import { readFileSync } from "node:fs";

/** Users that a server with root's rights runs scripts as, one for each at a time: what counts by user then counts by script. */
export interface ScriptUsers {
  readonly first: number;
  readonly count: number;
  /** A user id that nobody else of this server has now, and its return. */
  take(): { readonly uid: number; release(): void };
}

/**
 * Where ids are that no person or package gets, as systemd's "Users, Groups, UIDs and GIDs on systemd Systems" has them (2026-11): the
 * large unused range, a part of it for each server of a host, and the small one for containers that know 65,536 ids only.
 */
const wide = { first: 1_900_000_000, perServer: 1_024, servers: 65_536 };
const narrow = { first: 60_578, count: 606 };

/** The users of this server; undefined where the system (a user namespace) has none to spare. */
export function createScriptUsers(
  uidMap: string = read("/proc/self/uid_map"),
  pid: number = process.pid,
): ScriptUsers | undefined {
  const part = wide.first + (pid % wide.servers) * wide.perServer;
  if (isMapped(uidMap, part, wide.perServer)) return users(part, wide.perServer, 0);
  // Servers that share the small range begin at different places of it.
  if (isMapped(uidMap, narrow.first, narrow.count)) return users(narrow.first, narrow.count, pid % narrow.count);
  return undefined;
}

function users(first: number, count: number, begin: number): ScriptUsers {
  const taken = new Set<number>();
  let next = begin;
  return {
    first,
    count,
    take: () => {
      // Fewer scripts run at once than there are users; were there more, two would share one.
      for (let tries = 0; tries < count && taken.has(first + next); tries++) next = (next + 1) % count;
      const uid = first + next;
      next = (next + 1) % count;
      taken.add(uid);
      return { uid, release: () => void taken.delete(uid) };
    },
  };
}

/** @see user_namespaces(7): lines of first id inside, first id outside, count. */
function isMapped(uidMap: string, first: number, count: number): boolean {
  return uidMap.split("\n").some((line) => {
    const [inside = Number.NaN, , length = 0] = line.trim().split(/\s+/).map(Number);
    return first >= inside && first + count <= inside + length;
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
