import { setTimeout as pause } from "node:timers/promises";
import type { Adapter } from "../../src/live-actions/adapter.ts";

/**
 * Between how many milliseconds each answers: at once, after as long as a vendor takes, and after always the same time. Fifty callers that wait
 * equally long keep step and come all at once, which no vendor's do. Each says in its details how long it took.
 */
export const vendorTimes = { bench_at_once: [0, 0], bench_vendor: [50, 150], bench_steady: [100, 100] } as const;

/** How long a vendor takes, in words. */
export function timeOf(vendor: BenchVendor): string {
  const [least, most] = vendorTimes[vendor];
  return least === most ? `${least} ms` : `${least} to ${most} ms`;
}

export type BenchVendor = keyof typeof vendorTimes;

/** What the adapter requires: in a request's params, or in the store. A credential is of one vendor. */
export function credentialOf(vendor: string): string {
  return `${vendor}_token`;
}

export const benchCapability = "isolate_host";

export function benchAdapters(): readonly Adapter[] {
  return Object.entries(vendorTimes).map(([vendorId, [leastMs, mostMs]]) => ({
    vendorId,
    capability: benchCapability,
    description: `Answers after ${leastMs} to ${mostMs} ms.`,
    credentials: [{ name: credentialOf(vendorId), isRequired: true, isSecret: true, description: "Proves who asks." }],
    impact: "HIGH",
    isIdempotent: true,
    timeoutMs: 20_000,
    preview: ({ target }) => ({ target }),
    async execute({ target }) {
      const startedAt = performance.now();
      if (mostMs > 0) await pause(leastMs + Math.random() * (mostMs - leastMs));
      const details = { host: target, containment_id: "cnt-114-77", took_ms: performance.now() - startedAt };
      return { status: "SUCCEEDED", summary: `Isolated ${target}.`, details };
    },
  }));
}
