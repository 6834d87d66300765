import { randomBytes } from "node:crypto";
import { type FileHandle, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { keyIdsIn, syncDirectory } from "./key-ring.ts";

/**
 * Puts a new key before those of a key file: from then on it encrypts, and the others still decrypt. Whole or not at all.
 * @throws Error for the operator: there is no such file, or another rotation is under way.
 */
export async function addKey(file: string): Promise<void> {
  await changeFile(file, (before) => `${randomBytes(32).toString("base64")}\n${before}`);
}

/**
 * Leaves only the first key in a key file. Call it when nothing is left under the others, and no backup that is still wanted.
 * @param id Of the key that everything was found to be encrypted with.
 * @throws Error for the operator, as `addKey` does, and where another key has come first since.
 */
export async function keepFirstKey(file: string, id: string): Promise<void> {
  await changeFile(file, (before) => {
    const [first] = before.split(/[\s,]+/).filter(Boolean);
    if (first === undefined || keyIdsIn(before, file)[0] !== id)
      throw new Error("Another rotation has begun since: no key was forgotten. Repeat with --reuse --forget.");
    return `${first}\n`;
  });
}

/** The draft is the lock, under which the file is read too: two rotations at once would lose a key of one of them. */
async function changeFile(given: string, change: (before: string) => string): Promise<void> {
  // The file itself, where the data directory holds a link to it.
  const file = await realpath(given);
  const draft = `${file}.new`;
  const handle = await open(draft, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    throw new Error(`Another rotation is under way, or was broken off: if none is, remove ${draft} and try again.`);
  });
  try {
    await keepOwner(handle, file);
    await handle.writeFile(change(await readFile(file, "utf8")));
    await handle.sync();
    await rename(draft, file);
    await syncDirectory(path.dirname(file));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Where root rotates for a server of another user, that user has to read what it wrote. */
async function keepOwner(draft: FileHandle, file: string): Promise<void> {
  const [{ uid, gid }, ours] = await Promise.all([stat(file), draft.stat()]);
  if (uid !== ours.uid || gid !== ours.gid) await draft.chown(uid, gid);
}
