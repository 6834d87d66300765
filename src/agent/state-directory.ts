import { randomUUID } from "node:crypto";
import { chmod, link, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../core/json.ts";
import { processStart } from "../core/process-status.ts";
import { writeDurably } from "./durable-file.ts";

/** Who the agent is, and where. */
export interface Identity {
  readonly server: string;
  readonly agentId: string;
  /** The agent's own credential. */
  readonly token: string;
}

/** The directory of all that the agent keeps, its own while the process lives. */
export interface StateDirectory {
  readonly path: string;
  readIdentity(): Promise<Identity | undefined>;
  writeIdentity(identity: Identity): Promise<void>;
  /** @throws the file system's error where nothing can be written. */
  probe(): Promise<void>;
  release(): Promise<void>;
}

/** Another agent, or another user, has the directory. */
export class StateUnusable extends Error {}

/**
 * Opens the directory, mode 0700, and claims it for this process.
 * @throws StateUnusable where a living agent has it, it is another user's, or its contents can't be read.
 */
export async function openStateDirectory(path: string): Promise<StateDirectory> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const { uid } = await stat(path);
  if (process.getuid && uid !== process.getuid()) {
    throw new StateUnusable(
      `${path} belongs to another user. Start the agent as its owner, or name another directory with --state.`,
    );
  }
  await chmod(path, 0o700);
  const lock = await claim(path);
  const identityFile = join(path, "agent.json");
  return {
    path,
    readIdentity: () => readIdentity(identityFile),
    probe: async () => {
      await writeDurably(join(path, "probe"), "");
      await rm(join(path, "probe"));
    },
    writeIdentity: (identity) => writeDurably(identityFile, `${JSON.stringify(identity)}\n`),
    release: () => rm(lock, { force: true }),
  };
}

const claimTriesMax = 10;
const lockName = /^lock-(\d{1,15})$/;

/**
 * Locks are numbered, and the one with the highest number counts. Whoever finds its holder dead makes the next one, which only one process can:
 * to remove a dead one's first would be to remove, sometimes, that of somebody who was quicker.
 * @returns The lock, to be removed at the end.
 */
async function claim(path: string): Promise<string> {
  const draft = join(path, `claim-${randomUUID()}`);
  await writeFile(draft, `${process.pid} ${processStart(process.pid) ?? ""}\n`, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < claimTriesMax; attempt++) {
      const locks = await locksIn(path);
      await refuseLiving(path, locks);
      const own = join(path, `lock-${(locks.at(-1) ?? 0) + 1}`);
      if (!(await isLinked(draft, own))) continue;
      // Where the numbers began anew since they were read, another one may be lower.
      const others = (await locksIn(path)).filter((number) => join(path, `lock-${number}`) !== own);
      await refuseLiving(path, others).catch(async (error: unknown) => {
        await rm(own, { force: true });
        throw error;
      });
      for (const number of others) await rm(join(path, `lock-${number}`), { force: true });
      return own;
    }
    throw new StateUnusable(`${path} is being claimed by another agent.`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Their numbers, the lowest first. */
async function locksIn(path: string): Promise<number[]> {
  const numbers = (await readdir(path)).flatMap((name) => lockName.exec(name)?.[1] ?? []);
  return numbers.map(Number).sort((a, b) => a - b);
}

/** @throws StateUnusable */
async function refuseLiving(path: string, locks: readonly number[]): Promise<void> {
  for (const number of locks) {
    const holder = await readFile(join(path, `lock-${number}`), "utf8").catch(() => "");
    if (!isAlive(holder)) continue;
    const message = `Another agent (process ${holder.split(" ")[0]}) uses ${path}. End it first, or name another directory with --state.`;
    throw new StateUnusable(message);
  }
}

/** With all that is in it, or not at all; false where there is one. */
async function isLinked(draft: string, lock: string): Promise<boolean> {
  try {
    await link(draft, lock);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Whether the process that a lock names lives, and is not another one with its number. */
function isAlive(holder: string): boolean {
  const [number, start] = holder.trim().split(" ");
  const pid = Number(number);
  if (!(pid > 0) || pid === process.pid) return false;
  const begun = processStart(pid);
  if (process.platform === "linux") return begun !== undefined && begun === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function readIdentity(path: string): Promise<Identity | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const { server, agentId, token } = parse(text);
  if (typeof server === "string" && typeof agentId === "string" && typeof token === "string") {
    return { server, agentId, token };
  }
  throw new StateUnusable(`${path} is damaged. Remove it and enrol anew with --token.`);
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
