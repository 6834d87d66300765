import { limits } from "../core/limits.ts";

/** A vendor's sign-in token, and how long the vendor says it is good for. */
export interface VendorToken {
  readonly token: string;
  readonly expiresInMs: number;
}

interface TokenAsk {
  /** Names tenant, vendor, token and secret; holds none of them in plain. */
  readonly key: string;
  readonly fetch: () => Promise<VendorToken>;
  /** Of the one who asks: nobody waits longer, and nobody's end is another's. */
  readonly signal: AbortSignal;
}

interface Fetching {
  readonly token: Promise<string>;
  /** Of the one who fetches. */
  readonly signal: AbortSignal;
}

/**
 * The sign-in tokens of one process, in memory only: at most `limits.vendorTokensMax`, what was used longest ago makes room. A token is
 * handed out until `limits.vendorTokenMarginMs` before its end (of short-lived ones: until half of their life).
 */
export class TokenCache {
  readonly #tokens = new Map<string, { readonly token: string; readonly until: number }>();
  readonly #fetching = new Map<string, Fetching>();

  /** The token of a key. Those who ask at the same time share one request. @throws What `fetch` throws; the signal's reason. */
  async get(ask: TokenAsk): Promise<string> {
    for (;;) {
      ask.signal.throwIfAborted();
      const kept = this.#kept(ask.key);
      if (kept !== undefined) return kept;
      const shared = this.#fetching.get(ask.key);
      if (!shared) return await this.#fetch(ask);
      try {
        return await untilAborted(shared.token, ask.signal);
      } catch (error) {
        // The one who fetched ran out of time: that says nothing about the vendor, so whoever still has time asks.
        if (ask.signal.aborted || !shared.signal.aborted) throw error;
      }
    }
  }

  /** Forgets a token that the vendor refused; a fresher one of the same key stays. */
  drop(key: string, token: string): void {
    if (this.#tokens.get(key)?.token === token) this.#tokens.delete(key);
  }

  #kept(key: string): string | undefined {
    const entry = this.#tokens.get(key);
    if (!entry) return undefined;
    this.#tokens.delete(key);
    if (performance.now() >= entry.until) return undefined;
    // A Map keeps the order of insertion: what is used moves to its end.
    this.#tokens.set(key, entry);
    return entry.token;
  }

  #fetch({ key, fetch, signal }: TokenAsk): Promise<string> {
    const fetchOnce = async (): Promise<string> => {
      try {
        return this.#keep(key, await fetch());
      } finally {
        this.#fetching.delete(key);
      }
    };
    const token = fetchOnce();
    this.#fetching.set(key, { token, signal });
    return token;
  }

  #keep(key: string, { token, expiresInMs }: VendorToken): string {
    const lifeMs = Math.min(expiresInMs, limits.vendorTokenMsMax);
    const keptMs = lifeMs - Math.min(limits.vendorTokenMarginMs, lifeMs / 2);
    if (!(keptMs > 0)) return token;
    if (this.#tokens.size >= limits.vendorTokensMax) this.#tokens.delete(this.#tokens.keys().next().value as string);
    this.#tokens.set(key, { token, until: performance.now() + keptMs });
    return token;
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
