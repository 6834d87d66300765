import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bounds } from "./bounds.ts";
import { contentOf } from "./script-command.ts";
import { type Task, TaskRefused } from "./task.ts";

/** Where one task works; nobody but the agent's user can enter. */
export interface WorkDirectory {
  /** Home of the script. */
  readonly home: string;
  /** The fresh copy of the package, the script's working directory. */
  readonly package: string;
  /** TMPDIR of the script. */
  readonly temporary: string;
}

/**
 * Writes the files of a task into a new directory.
 * @param home A path that does not exist yet.
 * @throws TaskRefused `package_invalid` when a path leaves the package or two files are one. Nothing outside of `home` is written.
 */
export async function createWorkDirectory(home: string, task: Task): Promise<WorkDirectory> {
  for (const { path } of task.files) checkPath(path);
  const directory = { home, package: join(home, "package"), temporary: join(home, "tmp") };
  await mkdir(home, { recursive: true, mode: 0o700 });
  await Promise.all([mkdir(directory.package, { mode: 0o700 }), mkdir(directory.temporary, { mode: 0o700 })]);
  for (const file of task.files) {
    const path = join(directory.package, file.path);
    const mode = file.executable || file.path === task.entry ? 0o700 : 0o600;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, contentOf(file), { mode, flag: "wx" });
    } catch (error) {
      if (!isErrno(error, "EEXIST", "ENOTDIR", "EISDIR")) throw error;
      throw new TaskRefused("package_invalid", `The package has two files for the path ${file.path}.`);
    }
  }
  return directory;
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
  const isPlain = path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
  if (isPlain && path.length <= bounds.packagePathLengthMax && !/[\\\0]/.test(path)) return;
  throw new TaskRefused("package_invalid", `The path ${JSON.stringify(path)} does not stay within the package.`);
}

function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
