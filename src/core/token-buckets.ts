/** Bounds how often something is done under each of many keys: a burst at once, and `perMinute` in the long run. */
export interface TokenBuckets {
  /** Takes one of a key's: 0 where there was one, else how long until there is, in ms; nothing is taken then. */
  take(key: string): number;
  /** What `take` would answer, and nothing is taken. */
  waitMs(key: string): number;
}

interface TokenBucketsOptions {
  readonly perMinute: number;
  readonly burst: number;
  /** Keys that are remembered; the one that was not taken from for longest is forgotten first, and has its whole burst again. */
  readonly keysMax: number;
  /** A clock that only goes forward, in ms. */
  readonly now?: () => number;
}

/** What is left of a key's burst, as of an instant. */
interface Bucket {
  left: number;
  at: number;
}

const nearly = 1e-6;

export function createTokenBuckets({
  perMinute,
  burst,
  keysMax,
  now = () => performance.now(),
}: TokenBucketsOptions): TokenBuckets {
  const buckets = new Map<string, Bucket>();
  const msEach = 60_000 / perMinute;
  const leftOf = (bucket: Bucket | undefined, at: number) =>
    bucket ? Math.min(burst, bucket.left + (at - bucket.at) / msEach) : burst;
  // Fractions of a token are sums of fractions: what is nearly a whole one is one.
  const waitFor = (left: number) => (left > 1 - nearly ? 0 : Math.max(1, Math.ceil((1 - left - nearly) * msEach)));

  return {
    take(key) {
      const at = now();
      const bucket = buckets.get(key);
      const left = leftOf(bucket, at);
      const wait = waitFor(left);
      if (wait > 0) return wait;
      // Taken out and put in again: a Map keeps the order of insertion.
      buckets.delete(key);
      if (buckets.size >= keysMax) buckets.delete(buckets.keys().next().value as string);
      buckets.set(key, { left: left - 1, at });
      return 0;
    },
    waitMs: (key) => waitFor(leftOf(buckets.get(key), now())),
  };
}
