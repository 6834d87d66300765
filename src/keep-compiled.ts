import { statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import path from "node:path";

/**
 * Keeps what Node makes of each module's text (types stripped, compiled) beside the packages, for the next start: it takes about 0.6 s of
 * processor time less. Node writes it when the process exits, and looks by their texts whether modules are still the same.
 *
 * Not in an installation of another user: whoever may write there decides what is run, and its owner could not remove what we leave there.
 * @param packages The directory of the packages, whose owner has to be who we are.
 * @returns Whether it is kept. Where that can't be done, all goes on without.
 */
export function keepCompiled(packages = path.join(import.meta.dirname, "../node_modules")): boolean {
  const owner = statSync(packages, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner !== (process.getuid?.() ?? owner)) return false;
  return enableCompileCache(path.join(packages, ".cache/riposte")).directory !== undefined;
}
