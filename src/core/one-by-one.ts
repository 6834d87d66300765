import { limits } from "./limits.ts";
import { Shares } from "./shares.ts";

/**
 * Does what has the same key one after the other, in the order in which it came; what has another key goes on beside. Who waits for longer than
 * `waitMs` is refused with a BusyError, and its work is not done.
 */
export function createOneByOne(
  waitMs: number = limits.connectionWaitMs,
): <Result>(key: string, work: () => Promise<Result>) => Promise<Result> {
  const turns = new Shares({ max: 1, waitMs });
  return async (key, work) => {
    await turns.take(key);
    try {
      return await work();
    } finally {
      turns.give(key);
    }
  };
}
