import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { limits } from "../core/limits.ts";
import { hostAndBoot, processStart } from "../core/process-status.ts";

/** One process's hold on a data directory. */
export interface DirectoryClaim {
  release(): void;
}

interface Claimant {
  /** The machine and its boot; a pid counts only there. */
  readonly host: string;
  readonly pid: number;
  /** When the process started, as the host writes it: a pid may be another's tomorrow. */
  readonly start: string;
}

const claimName = /^claim-.*\.json$/;

/**
 * Makes this process the only one that works in a directory, until it releases it or dies.
 *
 * Everyone writes a claim of his own first and looks for others' after: of two who come at once at least one sees the
 * other, and who sees a living one steps back. Claims of the dead are taken away by whoever finds them; that's safe, since
 * a name holds pid and start time and so never comes back. A claim from another host (a volume that two containers share)
 * is alive while its file is being touched.
 * @throws Error naming the process that has it.
 */
export async function claimDirectory(directory: string): Promise<DirectoryClaim> {
  const own: Claimant = { host: hostAndBoot(), pid: process.pid, start: startOf(process.pid) ?? "" };
  const hostPart = Buffer.from(own.host).toString("base64url").slice(0, 60);
  const file = path.join(directory, `claim-${hostPart}-${own.pid}-${own.start.replaceAll(/\W+/g, "_")}.json`);
  for (let tries = 1; ; tries += 1) {
    writeClaim(file, own);
    const rival = await findRival(directory, file);
    if (rival === undefined) return keepClaim(file);
    rmSync(file, { force: true });
    if (tries === limits.claimTriesMax) throw inUse(directory, rival);
    await sleep(limits.claimRetryMs * (1 + Math.random()));
  }
}

function writeClaim(file: string, own: Claimant): void {
  try {
    writeFileSync(file, JSON.stringify(own), { flag: "wx", mode: 0o600 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw inUse(path.dirname(file), own);
    throw new Error(`The data directory ${path.dirname(file)} can't be written to (${code}).`, { cause: error });
  }
}

async function findRival(directory: string, ownFile: string): Promise<Claimant | undefined> {
  for (const name of readdirSync(directory)) {
    const file = path.join(directory, name);
    if (!claimName.test(name) || file === ownFile) continue;
    const claimant = readClaimant(file);
    if (await isAlive(file, claimant)) return claimant ?? { host: "", pid: 0, start: "" };
    rmSync(file, { force: true });
  }
  return undefined;
}

function isAlive(file: string, claimant: Claimant | undefined): boolean | Promise<boolean> {
  if (claimant?.host === hostAndBoot()) return startOf(claimant.pid) === claimant.start;
  return isTouched(file);
}

/** Watches a claim whose process can't be looked up; clocks of two hosts are never compared. */
async function isTouched(file: string): Promise<boolean> {
  const touchedAt = () => statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  const first = touchedAt();
  const end = performance.now() + limits.claimSilenceMs;
  while (performance.now() < end) {
    await sleep(limits.claimRetryMs);
    const now = touchedAt();
    if (now === undefined) return false;
    if (now !== first) return true;
  }
  return false;
}

function keepClaim(file: string): DirectoryClaim {
  const timer = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // The disk may be full or away for a moment; the claim counts by its process on this host.
    }
  }, limits.claimTouchMs).unref();
  return {
    release() {
      clearInterval(timer);
      rmSync(file, { force: true });
    },
  };
}

/** Undefined for a claim that is being written, or that a crash left half written. */
function readClaimant(file: string): Claimant | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Claimant;
  } catch {
    return undefined;
  }
}

function inUse(directory: string, { host, pid }: Claimant): Error {
  const where = host === hostAndBoot() ? "" : ` of another host (${host.split(" ")[0]})`;
  return new Error(
    `The data directory ${directory} is in use by process ${pid}${where}. Stop that one, name another data directory, or set DATABASE_URL on both to share a database.`,
  );
}

/** When a living process started, in the host's own words; undefined when there is none. */
function startOf(pid: number): string | undefined {
  if (process.platform === "linux") return processStart(pid);
  try {
    return execFileSync("/bin/ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}
