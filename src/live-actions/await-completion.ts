import { limits } from "../core/limits.ts";
import type { VendorHttp } from "./vendor-http.ts";

export interface Completion<T> {
  /** What the vendor said last; undefined where it could not be asked. */
  readonly last: T | undefined;
  readonly isOver: boolean;
  readonly warnings: readonly string[];
}

/**
 * Asks for what a vendor accepted until it is over, for at most about `boundMs`.
 * What goes wrong in asking becomes a warning and not a failure: it changes nothing of what the vendor has accepted.
 */
export async function awaitCompletion<T>(
  http: VendorHttp,
  read: () => Promise<T>,
  { isOver, boundMs = limits.vendorCompletionMs }: { isOver: (state: T) => boolean; boundMs?: number },
): Promise<Completion<T>> {
  const startedAt = performance.now();
  let last: T | undefined;
  try {
    // Counted and timed: an answer may come at once, or take its time.
    for (let poll = 0; poll * limits.vendorPollMs <= boundMs && performance.now() - startedAt <= boundMs; poll++) {
      if (poll > 0) await http.sleep(limits.vendorPollMs);
      last = await read();
      if (isOver(last)) return { last, isOver: true, warnings: [] };
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { last, isOver: false, warnings: [`The vendor could not be asked how it went: ${reason}`] };
  }
  return { last, isOver: false, warnings: [] };
}
