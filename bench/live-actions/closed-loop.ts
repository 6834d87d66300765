import { type Percentiles, percentiles } from "../engine/closed-loop.ts";

export interface Load {
  /** As many are under way at any time: each that ends is followed by another. */
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface LoadResult {
  readonly count: number;
  readonly perSecond: number;
  /** From asking to the whole answer. */
  readonly total: Percentiles;
  /** The same without what the adapter took. */
  readonly overhead: Percentiles;
}

/** Asks again and again. @param ask Resolves with the answer's text. */
export async function closedLoop(load: Load, ask: (connection: number) => Promise<string>): Promise<LoadResult> {
  const totals: number[] = [];
  const overheads: number[] = [];
  const from = performance.now() + load.warmUpMs;
  const to = from + load.measureMs;
  const one = async (connection: number): Promise<void> => {
    for (;;) {
      const startedAt = performance.now();
      if (startedAt >= to) return;
      const text = await ask(connection);
      const endedAt = performance.now();
      if (!isGood(text)) throw new Error(text.slice(0, 2_000));
      if (startedAt < from || endedAt >= to) continue;
      totals.push(endedAt - startedAt);
      overheads.push(endedAt - startedAt - (Number(/"took_ms":([\d.e-]+)/.exec(text)?.[1]) || 0));
    }
  };
  await Promise.all(Array.from({ length: load.concurrency }, (_, connection) => one(connection)));
  const perSecond = (totals.length / load.measureMs) * 1_000;
  return { count: totals.length, perSecond, total: percentiles(totals), overhead: percentiles(overheads) };
}

/** Neither refused nor failed: of a dispatch, that its vendor was called. */
function isGood(text: string): boolean {
  return !text.includes('"errors"') && (!text.includes("dispatchLiveAction") || text.includes('"SUCCEEDED"'));
}
