import { BusyError } from "./failures.ts";

/** What `turn` gives, where it comes within `waitMs`. @throws BusyError where it does not; `turn` itself goes on. */
export function inTime<Value>(turn: Promise<Value>, waitMs: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new BusyError()), waitMs);
    turn.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
