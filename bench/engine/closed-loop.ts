import type { Contender } from "./contender.ts";

export interface Load {
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** Latencies in milliseconds. */
export interface Measured {
  readonly seconds: number;
  readonly steps: number;
  readonly runs: number;
  readonly step: Percentiles;
  readonly run: Percentiles;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** What to do when the time that counts begins and when it ends: the harness reads the processors' time there. */
export interface Window {
  readonly onBegin: () => void;
  readonly onEnd: () => void;
}

/** Keeps `concurrency` runs under way: each one that ends is followed by another. Resolves when the last has ended. */
export function measureLoad(contender: Contender, load: Load, window: Window): Promise<Measured> {
  const stepMs: number[] = [];
  const runMs: number[] = [];
  const begunAt = performance.now();
  const from = begunAt + load.warmUpMs;
  const to = from + load.measureMs;
  let isCounting = false;
  let isOver = false;
  let underWay = 0;
  let countedFrom = 0;
  let countedTo = 0;
  return new Promise((resolve) => {
    const begin = () => {
      const startedAt = performance.now();
      let stepAt = startedAt;
      underWay += 1;
      contender.begin({
        onStart: () => {
          stepAt = performance.now();
        },
        onStep: () => {
          const now = performance.now();
          if (isCounting) stepMs.push(now - stepAt);
          stepAt = now;
        },
        onEnd: () => {
          underWay -= 1;
          if (isCounting) runMs.push(performance.now() - startedAt);
          if (!isOver) begin();
          else if (underWay === 0) resolve(summary());
        },
      });
    };
    const summary = (): Measured => ({
      seconds: (countedTo - countedFrom) / 1_000,
      steps: stepMs.length,
      runs: runMs.length,
      step: percentiles(stepMs),
      run: percentiles(runMs),
    });
    setTimeout(() => {
      window.onBegin();
      countedFrom = performance.now();
      isCounting = true;
    }, from - performance.now());
    setTimeout(() => {
      countedTo = performance.now();
      isCounting = false;
      isOver = true;
      window.onEnd();
    }, to - performance.now());
    for (let i = 0; i < load.concurrency; i += 1) begin();
  });
}

/** From asking for a run to its first executor being called, with nothing else under way, in milliseconds, one after the other. */
export async function measureIdle(contender: Contender, load: { count: number; pauseMs: number }): Promise<number[]> {
  const startMs: number[] = [];
  for (let i = 0; i < load.count; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, load.pauseMs));
    const startedAt = performance.now();
    await new Promise<void>((onEnd) => {
      const onStart = () => void startMs.push(performance.now() - startedAt);
      contender.begin({ onStart, onStep: () => undefined, onEnd });
    });
  }
  return startMs;
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

export function median(values: readonly number[]): number {
  return percentiles(values).p50;
}
