import { setTimeout } from "node:timers/promises";

/** Lets through all who wait together, each `everyMs`: what they do next can be done in one go. */
export interface SharedTurns {
  /** True once it is the caller's turn; false at once where so many wait for the next as it takes. */
  take(): Promise<boolean>;
}

export function createSharedTurns({
  everyMs,
  callersMax,
}: {
  readonly everyMs: number;
  readonly callersMax: number;
}): SharedTurns {
  let waiting = 0;
  let next: Promise<void> | undefined;
  const turn = async () => {
    await setTimeout(everyMs);
    waiting = 0;
    next = undefined;
  };
  return {
    async take() {
      if (waiting >= callersMax) return false;
      waiting += 1;
      next ??= turn();
      await next;
      return true;
    },
  };
}
