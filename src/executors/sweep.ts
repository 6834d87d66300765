import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { killMarked } from "../scripts/marked-processes.ts";
import { removeDirectory } from "../scripts/work-directory.ts";
import { installationOf, isAlive, markVariable } from "./process-marks.ts";

/**
 * Ends what a server that died in this work directory left behind: its scripts, as far as they can be found (Linux), and its
 * directories. Call it when a server starts. Servers that are alive, on this host or another, are left alone.
 * @returns How many processes were killed and directories removed.
 */
export async function sweepLeftovers(place: {
  readonly workDirectory: string;
}): Promise<{ processes: number; directories: number }> {
  const installation = `${installationOf(place.workDirectory)}-`;
  const isDead = (server: string): boolean => server.startsWith(installation) && !isAlive(server);
  const processes = await killMarked(markVariable, (mark) => isDead(mark.split("/")[0] ?? ""));
  const names = await readdir(place.workDirectory).catch(() => []);
  const dead = names.filter(isDead);
  for (const name of dead) await removeDirectory(join(place.workDirectory, name));
  return { processes, directories: dead.length };
}
