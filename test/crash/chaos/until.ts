import { setTimeout as sleep } from "node:timers/promises";

/** Far more than anything here takes on a machine that has other things to do. */
const patienceMs = 60_000;

/** Resolves when it holds. @throws Error that says what was waited for in vain. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`In vain it was waited until ${what}.`);
    await sleep(20);
  }
}
