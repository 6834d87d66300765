import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { sha256 } from "../core/json.ts";

/** A key of AES-256-GCM; its bytes show nowhere unless they are exported. */
export interface SecretsKey {
  readonly id: string;
  readonly key: KeyObject;
}

/** The first key encrypts; each decrypts what names it. */
export interface KeyRing {
  /** The one that encrypts at this moment. */
  readonly current: SecretsKey;
  find(id: string): SecretsKey | undefined;
  /** Looks whether the file has other keys by now; those of the environment stay as they are. Keeps what it has where the file can't be read. */
  reload(): Promise<void>;
}

interface KeyRingOptions {
  /** `SECRETS_KEY`: keys as `parseKeys` reads them. Without it the file in `dataDirectory` is read, or made. */
  readonly secretsKey: string | undefined;
  readonly dataDirectory: string;
}

const keyBytes = 32;
const keyFileName = "secrets.key";
const keyId = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * The keys that secrets at rest are encrypted with.
 * @throws Error (the server can't start) that says what is wrong with a key, and never quotes one.
 */
export async function openKeyRing({ secretsKey, dataDirectory }: KeyRingOptions): Promise<KeyRing> {
  const file = path.join(dataDirectory, keyFileName);
  let text = secretsKey ?? (await readOrMakeFile(file));
  let keys = importKeys(text, secretsKey === undefined ? file : "SECRETS_KEY");
  return {
    // parseKeys answers at least one.
    get current() {
      return keys.values().next().value as SecretsKey;
    },
    find: (id) => keys.get(id),
    async reload() {
      if (secretsKey !== undefined) return;
      const found = await readIfThere(file).catch(() => undefined);
      if (found === undefined || found === text) return;
      try {
        const imported = importKeys(found, file);
        // One that is gone from the file may still be needed for what was read before it went.
        keys = new Map([...imported, ...[...keys].filter(([id]) => !imported.has(id))]);
        text = found;
      } catch {
        // Half written: what was read before holds.
      }
    },
  };
}

/** The file of the keys, where the environment has none. */
export function keyFileIn(dataDirectory: string): string {
  return path.join(dataDirectory, keyFileName);
}

/** The ids of a file's keys, in their order. @throws Error as `openKeyRing` does. */
export function keyIdsIn(text: string, origin: string): readonly string[] {
  return [...parseKeys(text, origin).keys()];
}

function importKeys(text: string, origin: string): ReadonlyMap<string, SecretsKey> {
  const keys = [...parseKeys(text, origin)];
  return new Map(keys.map(([id, bytes]) => [id, { id, key: createSecretKey(bytes) }]));
}

/**
 * Keys separated by commas or blanks, the one that encrypts first. Each is 32 bytes in base64, base64url or hex (64 digits),
 * with an id of one's own before a colon, or without: then the id follows from the key, so that the order may change.
 */
function parseKeys(text: string, origin: string): ReadonlyMap<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const [index, item] of text
    .split(/[\s,]+/)
    .filter(Boolean)
    .entries()) {
    const place = `${origin}: key ${index + 1}`;
    const colon = item.indexOf(":");
    const bytes = decodeKey(item.slice(colon + 1));
    if (!bytes) throw new Error(`${place} is not 32 bytes in base64 or hex; make one with: openssl rand -base64 32`);
    const id = colon < 0 ? derivedId(bytes) : item.slice(0, colon);
    if (!keyId.test(id)) throw new Error(`${place} has an id that is not 1 to 64 of A-Z, a-z, 0-9, _, . and -.`);
    if (keys.has(id)) throw new Error(`${place} has the same id as one before it.`);
    keys.set(id, bytes);
  }
  if (keys.size === 0) throw new Error(`${origin} holds no key; make one with: openssl rand -base64 32`);
  return keys;
}

function decodeKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === keyBytes ? bytes : undefined;
}

/** Tells keys apart and nothing of them: a hash of 256 random bits, under a label so that it is no other use's hash. */
function derivedId(bytes: Buffer): string {
  return sha256(Buffer.concat([Buffer.from("riposte secrets key id\n"), bytes])).slice(0, 16);
}

async function readOrMakeFile(file: string): Promise<string> {
  const found = await readIfThere(file);
  if (found !== undefined) return found;
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await makeFile(file, `${randomBytes(keyBytes).toString("base64")}\n`);
  // Read again: where two processes made one at once, the first one's is there.
  return readFile(file, "utf8");
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole or not at all, and never over one that is there: written and synced under another name first, then linked. */
async function makeFile(file: string, content: string): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString("hex")}`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
    await syncDirectory(path.dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** A key that encrypted something must not be gone after a power cut. Windows can't open a directory, and needs no sync. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
