import { execFile } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { type Account, runAs } from "./postgres-account.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";

/** The superuser of an embedded cluster; whoever may enter the socket's directory is let in. */
export const superuser = "postgres";

/**
 * Makes the cluster's files unless they are there. They are made beside their place and put there whole, so that a start
 * that is killed in the middle leaves nothing that looks like a cluster.
 */
export async function ensureCluster(directory: string, account: Account, binaries: PostgresBinaries): Promise<void> {
  removeUnfinished(directory);
  if (existsSync(directory)) return;
  // A new name each time: an initdb whose server was killed may still be writing to the last one.
  const unfinished = mkdtempSync(`${directory}${unfinishedMark}`);
  if (account.user) chownSync(unfinished, account.user.uid, account.user.gid);
  await initialise(unfinished, account, binaries);
  renameSync(unfinished, directory);
  syncDirectory(path.dirname(directory));
}

const unfinishedMark = ".unfinished-";

function removeUnfinished(directory: string): void {
  const parent = path.dirname(directory);
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(path.basename(directory) + unfinishedMark)) continue;
    try {
      rmSync(path.join(parent, name), { recursive: true, force: true });
    } catch {
      // It is still being written to; the next start finds it quiet.
    }
  }
}

async function initialise(directory: string, account: Account, { initdb }: PostgresBinaries): Promise<void> {
  const options = ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-instructions"];
  const {
    file,
    arguments: args,
    options: spawnOptions,
  } = runAs(account, {
    file: initdb,
    arguments: ["-D", directory, "-U", superuser, ...options],
    reach: [path.dirname(initdb), directory],
  });
  try {
    await promisify(execFile)(file, args, spawnOptions);
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(`The embedded database can't be made in ${directory}:\n${stderr || message}`, { cause: error });
  }
}

/** Makes a rename last over a power cut. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  fsyncSync(handle);
  closeSync(handle);
}
