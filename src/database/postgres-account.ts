import { execFile } from "node:child_process";
import { readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

/** Who PostgreSQL runs as: it refuses to run as root. */
export interface Account {
  /** Undefined: as ourselves. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** Path of setpriv(1) of util-linux, where the host has it (BusyBox's lacks what we need). */
  readonly setpriv: string | undefined;
}

/** A program with its arguments, and what spawn() needs besides to run it as the account. */
export interface Invocation {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly options: { readonly uid?: number; readonly gid?: number; readonly env: Readonly<Record<string, string>> };
}

/** The account for a cluster: whoever owns it already, else ourselves, or `postgres` or `nobody` when we are root. */
export async function chooseAccount(clusterDirectory: string): Promise<Account> {
  const setpriv = await findSetpriv();
  const own = process.getuid?.();
  const owner = statSync(clusterDirectory, { throwIfNoEntry: false });
  if (own !== 0) {
    if (owner !== undefined && owner.uid !== own) {
      throw new Error(
        `The database in ${clusterDirectory} belongs to user ${owner.uid}; this is user ${own}. Start as that user (or as root, if root made it), or name another data directory.`,
      );
    }
    return { user: undefined, setpriv };
  }
  if (owner !== undefined && owner.uid !== 0) return { user: { uid: owner.uid, gid: owner.gid }, setpriv };
  return { user: unprivilegedUser(), setpriv };
}

/**
 * How to run a program as the account, and, where the host can, so that it never outlives this process
 * (`prctl(PR_SET_PDEATHSIG)` with SIGINT, PostgreSQL's fast shutdown).
 * @param reach Directories it has to get into. When root's checkout lies where others may not enter (a clone under /root), the
 *   program keeps the one capability that lets it pass; without setpriv that is refused.
 */
export function runAs(
  account: Account,
  program: { file: string; arguments: readonly string[]; reach: readonly string[] },
): Invocation {
  // Not our own environment: it may hold keys, and PGPORT and its like would change what is started.
  const env = { LC_ALL: "C", TZ: "UTC" };
  const { user, setpriv } = account;
  const blocked = user && program.reach.find((target) => !canReach(user, target));
  if (setpriv === undefined) {
    if (blocked !== undefined) throw unreachable(blocked);
    return { file: program.file, arguments: program.arguments, options: { ...user, env } };
  }
  const identity = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"] : [];
  const passage = blocked === undefined ? [] : passageThrough(blocked);
  return {
    file: setpriv,
    arguments: [...identity, ...passage, "--pdeathsig", "INT", "--", program.file, ...program.arguments],
    options: { env },
  };
}

async function findSetpriv(): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const script = "setpriv --pdeathsig INT -- true && command -v setpriv";
    const { stdout } = await promisify(execFile)("/bin/sh", ["-c", script]);
    return stdout.trim();
  } catch {
    return undefined;
  }
}

function unprivilegedUser(): { uid: number; gid: number } {
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const found = accounts.find((fields) => fields[0] === name);
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Error(
    "PostgreSQL refuses to run as root, and this host has neither a user postgres nor nobody. Start as an ordinary user, or set DATABASE_URL.",
  );
}

/** Whether a user may pass every directory down to one that exists, it included. */
function canReach(user: { uid: number; gid: number }, target: string): boolean {
  for (let directory = realpathSync(target); ; directory = path.dirname(directory)) {
    const { mode, uid, gid } = statSync(directory);
    const passBit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & passBit) === 0) return false;
    if (directory === path.dirname(directory)) return true;
  }
}

/** Arguments of setpriv for the narrowest capability we have that passes closed directories (capabilities(7)). */
function passageThrough(blocked: string): string[] {
  const status = readFileSync("/proc/self/status", "utf8");
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const bits = { dac_read_search: 2n, dac_override: 1n };
  for (const [name, bit] of Object.entries(bits)) {
    if ((held & (1n << bit)) === 0n) continue;
    // access(2), which PostgreSQL asks about its own program, ignores capabilities of other users without this bit.
    return [`--inh-caps=+${name}`, `--ambient-caps=+${name}`, "--securebits=+no_setuid_fixup"];
  }
  throw unreachable(blocked);
}

function unreachable(blocked: string): Error {
  return new Error(
    `PostgreSQL refuses to run as root, and the user it runs as instead may not enter ${blocked}. Start as an ordinary user, move the checkout and its data directory to where all may enter (chmod a+x on each directory above), or set DATABASE_URL.`,
  );
}
