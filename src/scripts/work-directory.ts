import { chmod, chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { scriptLimits } from "../core/script-limits.ts";
import type { ScriptCall } from "./script-call.ts";

/** Where one attempt works; nobody but the user who runs it can enter. */
export interface WorkDirectory {
  /** Home of the script. */
  readonly home: string;
  /** The fresh copy of the package, the script's working directory. */
  readonly package: string;
  /** TMPDIR of the script. */
  readonly temporary: string;
}

/**
 * Writes the files of a call into a new directory.
 * @param home A path that does not exist yet.
 * @param owner Whose all of it is to be; ours by default.
 * @throws AttemptRefused `package_invalid` when a path leaves the package or two files are one. Nothing outside of `home` is written.
 */
export async function createWorkDirectory(home: string, call: ScriptCall, owner?: number): Promise<WorkDirectory> {
  for (const { path } of call.files) checkPath(path);
  const directory = { home, package: join(home, "package"), temporary: join(home, "tmp") };
  await mkdir(home, { recursive: true, mode: 0o700 });
  await Promise.all([mkdir(directory.package, { mode: 0o700 }), mkdir(directory.temporary, { mode: 0o700 })]);
  for (const { path, content, executable } of call.files) {
    const file = join(directory.package, path);
    const mode = executable || path === call.target ? 0o700 : 0o600;
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, content, { mode, flag: "wx" });
    } catch (error) {
      if (isErrno(error, "EEXIST", "ENOTDIR", "EISDIR")) {
        throw new AttemptRefused("package_invalid", `The package has two files for the path ${path}.`);
      }
      throw error;
    }
  }
  if (owner !== undefined) await give(home, owner);
  return directory;
}

async function give(path: string, owner: number): Promise<void> {
  await chown(path, owner, owner);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await give(inner, owner);
    else await chown(inner, owner, owner);
  }
}

/** Removes a directory with all that a script left in it, also where the script took its own rights away. */
export async function removeDirectory(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  } catch {
    await openUp(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  }
}

/** Makes every directory below enterable; links are not followed. */
async function openUp(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true }))
    if (entry.isDirectory()) await openUp(join(path, entry.name));
}

function checkPath(path: string): void {
  const segments = path.split("/");
  const isPlain = segments.every((segment) => segment !== "" && segment !== "." && segment !== "..");
  if (isPlain && path.length <= scriptLimits.packagePathLengthMax && !/[\\\0]/.test(path)) return;
  throw new AttemptRefused("package_invalid", `The path ${JSON.stringify(path)} does not stay within the package.`);
}

function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
