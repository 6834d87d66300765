import { limits } from "./limits.ts";

/**
 * Turns of the event loop. What comes a hundred times at once, and takes milliseconds each time, goes on for `turnMs` and then lets timers and
 * connections have theirs; a node that does not come to its heartbeat is taken for dead.
 */
export class Turns {
  readonly #turnMs: number;
  /** When the turn under way is spent; undefined until somebody asks in it. */
  #spentAt: number | undefined;

  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  /** Whether what can wait should {@link take} its turn. */
  isSpent(): boolean {
    const now = performance.now();
    if (this.#spentAt === undefined) {
      this.#spentAt = now + this.#turnMs;
      setImmediate(() => {
        this.#spentAt = undefined;
      });
    }
    return now >= this.#spentAt;
  }

  /** Does the work in this turn, or in the first later one that is not spent. */
  async take<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    while (this.isSpent()) await new Promise((resolve) => setImmediate(resolve));
    return work();
  }
}

/** Those of this process. */
export const turns = new Turns(limits.turnMs);
