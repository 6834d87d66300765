/**
 * A bounded cache whose entries are believed for `ttlMs`. A fresh entry is answered at once, without a promise, for callers on a hot
 * path; a missing or stale one is loaded, and concurrent asks share one load. A load that fails is not kept.
 */
export interface ExpiringCache<Value> {
  get(key: string): Value | Promise<Value>;
  forget(key: string): void;
  clear(): void;
}

/** One load of a key. */
interface Loading<Value> {
  promise?: Promise<Value>;
}

interface ExpiringCacheOptions<Value> {
  readonly load: (key: string) => Promise<Value>;
  readonly ttlMs: number;
  readonly entriesMax: number;
}

export function createExpiringCache<Value>({
  load,
  ttlMs,
  entriesMax,
}: ExpiringCacheOptions<Value>): ExpiringCache<Value> {
  const entries = new Map<string, { readonly value: Value; readonly until: number }>();
  const loading = new Map<string, Loading<Value>>();

  const reload = async (key: string, own: Loading<Value>): Promise<Value> => {
    try {
      const value = await load(key);
      // Not kept when it was forgotten meanwhile, also where another load has begun since: it may be from before the change.
      if (loading.get(key) === own) {
        if (entries.size >= entriesMax) entries.delete(entries.keys().next().value as string);
        entries.set(key, { value, until: performance.now() + ttlMs });
      }
      return value;
    } finally {
      if (loading.get(key) === own) loading.delete(key);
    }
  };

  return {
    get(key) {
      const entry = entries.get(key);
      if (entry && performance.now() < entry.until) return entry.value;
      entries.delete(key);
      const under = loading.get(key)?.promise;
      if (under) return under;
      const own: Loading<Value> = {};
      loading.set(key, own);
      own.promise = reload(key, own);
      return own.promise;
    },
    forget(key) {
      entries.delete(key);
      loading.delete(key);
    },
    clear() {
      entries.clear();
      loading.clear();
    },
  };
}
