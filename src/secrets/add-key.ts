import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";

/**
 * Puts a new key before those of a key file: from then on it encrypts, and the others still decrypt. Whole or not at all.
 * @throws Error for the operator: there is no such file, or another rotation is under way.
 */
export async function addKey(file: string): Promise<void> {
  const before = await readFile(file, "utf8");
  await replaceFile(file, `${randomBytes(32).toString("base64")}\n${before}`);
}

/**
 * Leaves only the first key in a key file. Call it when nothing is left under the others, and no backup that is still wanted.
 * @throws Error for the operator, as `addKey` does.
 */
export async function keepFirstKey(file: string): Promise<void> {
  const [first] = (await readFile(file, "utf8")).split(/[\s,]+/).filter(Boolean);
  if (first !== undefined) await replaceFile(file, `${first}\n`);
}

/** The draft is the lock: two rotations at once would lose a key of one of them. */
async function replaceFile(file: string, content: string): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    throw new Error(`Another rotation is under way, or was broken off: if none is, remove ${draft} and try again.`);
  });
  try {
    await handle.writeFile(content);
    await handle.sync();
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}
