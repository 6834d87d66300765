import type { RunInfo } from "./new-run.ts";

const known = new WeakMap<RunInfo, Set<string>>();

/** Remembers the plain values that a step of the run is handed, in memory, as long as the run is resident. */
export function knowSecrets(run: RunInfo, secrets: readonly string[]): void {
  if (secrets.length === 0) return;
  const all = known.get(run) ?? new Set();
  for (const secret of secrets) all.add(secret);
  known.set(run, all);
}

/** What the executor of a step masks: its own secrets, and those of other steps, which a vendor may tell a later one. */
export function secretsToMask(run: RunInfo, own: readonly string[]): readonly string[] {
  const all = known.get(run);
  return all === undefined ? own : [...new Set([...own, ...all])];
}
