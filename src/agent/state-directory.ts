import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "./durable-file.ts";
import { isObject } from "./json.ts";
import { processStart } from "./processes.ts";

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
  const lock = join(path, "lock");
  await claim(lock, path);
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

const claimTriesMax = 3;

async function claim(lock: string, path: string): Promise<void> {
  const own = `${process.pid} ${processStart(process.pid) ?? ""}\n`;
  for (let attempt = 0; attempt < claimTriesMax; attempt++) {
    try {
      await writeFile(lock, own, { flag: "wx", mode: 0o600 });
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const holder = await readFile(lock, "utf8").catch(() => "");
    if (isAlive(holder)) {
      const message = `Another agent (process ${holder.split(" ")[0]}) uses ${path}. End it first, or name another directory with --state.`;
      throw new StateUnusable(message);
    }
    await rm(lock, { force: true });
  }
  throw new StateUnusable(`${path} is being claimed by another agent.`);
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
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
