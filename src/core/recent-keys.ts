/** Remembers which keys came up lately. */
export interface RecentKeys {
  note(key: string): void;
  has(key: string): boolean;
}

/** For `ttlMs` after the last note; of more than `keysMax`, those that were noted last. */
export function createRecentKeys({ ttlMs, keysMax }: { readonly ttlMs: number; readonly keysMax: number }): RecentKeys {
  const notedAt = new Map<string, number>();
  return {
    note(key) {
      // Taken out and put in again: a Map keeps the order of insertion.
      notedAt.delete(key);
      if (notedAt.size >= keysMax) notedAt.delete(notedAt.keys().next().value as string);
      notedAt.set(key, performance.now());
    },
    has: (key) => performance.now() - (notedAt.get(key) ?? Number.NEGATIVE_INFINITY) < ttlMs,
  };
}
