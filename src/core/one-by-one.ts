import { inTime } from "./in-time.ts";
import { limits } from "./limits.ts";

/**
 * Does what has the same key one after the other, in the order in which it came; what has another key goes on beside. Who waits for longer than
 * `waitMs` is refused with a BusyError, and its work is not done.
 */
export function createOneByOne(
  waitMs: number = limits.connectionWaitMs,
): <Result>(key: string, work: () => Promise<Result>) => Promise<Result> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const before = last.get(key);
    const own = before ? inTime(before, waitMs).then(work) : Promise.resolve().then(work);
    const settled = Promise.allSettled([before, own]).then(() => {
      if (last.get(key) === settled) last.delete(key);
    });
    last.set(key, settled);
    return own;
  };
}
