import { limits } from "../core/limits.ts";

/** Events that could not be dispatched: each is left alone for longer after each failure. In memory, and at most so many. */
export class PutOff {
  readonly #failed = new Map<string, { readonly count: number; readonly until: number }>();

  /** Whether it may be tried now. Durations are of `performance.now()`. */
  isDue(id: string, now = performance.now()): boolean {
    return now >= (this.#failed.get(id)?.until ?? 0);
  }

  add(id: string, now = performance.now()): void {
    const count = (this.#failed.get(id)?.count ?? 0) + 1;
    const delayMs = Math.min(limits.sweepMs * 2 ** (count - 1), limits.dispatchRetryMsMax);
    this.#failed.delete(id);
    // The oldest goes first: it is tried again, and comes back.
    if (this.#failed.size >= limits.dispatchFailuresKeptMax)
      this.#failed.delete(this.#failed.keys().next().value ?? "");
    this.#failed.set(id, { count, until: now + delayMs });
  }

  delete(id: string): void {
    this.#failed.delete(id);
  }
}
