import { inTime } from "./in-time.ts";

/** Places of one key: how many are taken, and who waits for the next, in the order in which they came. */
interface Share {
  taken: number;
  readonly waiting: (() => void)[];
}

/** How many places of something that many share each key may hold at once. */
export class Shares {
  readonly #shares = new Map<string, Share>();
  readonly #max: number;
  readonly #waitMs: number;

  constructor({ max, waitMs }: { readonly max: number; readonly waitMs: number }) {
    this.#max = max;
    this.#waitMs = waitMs;
  }

  /** Takes a place, which has to be given back. @throws BusyError where there is none within the time. */
  async take(key: string): Promise<void> {
    const share = this.#shares.get(key) ?? { taken: 0, waiting: [] };
    this.#shares.set(key, share);
    if (share.taken < this.#max) {
      share.taken += 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    share.waiting.push(resolve);
    try {
      await inTime(promise, this.#waitMs);
    } catch (error) {
      const place = share.waiting.indexOf(resolve);
      if (place >= 0) share.waiting.splice(place, 1);
      // It came in the same moment.
      else this.give(key);
      throw error;
    }
  }

  /** Gives a place back: to whoever waits for it the longest. */
  give(key: string): void {
    const share = this.#shares.get(key);
    if (!share) return;
    const next = share.waiting.shift();
    if (next) next();
    else if (share.taken > 1) share.taken -= 1;
    else this.#shares.delete(key);
  }
}
