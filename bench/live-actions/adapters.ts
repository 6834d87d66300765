import { setTimeout as pause } from "node:timers/promises";
import type { Adapter } from "../../src/live-actions/adapter.ts";

/** Answers at once, and after as long as a vendor takes. Each says in its details how long it took, in milliseconds. */
export const vendorTimes = { bench_at_once: 0, bench_vendor: 100 } as const;

export type BenchVendor = keyof typeof vendorTimes;

/** What the adapter requires: in a request's params, or in the store. A credential is of one vendor. */
export function credentialOf(vendor: string): string {
  return `${vendor}_token`;
}

export const benchCapability = "isolate_host";

export function benchAdapters(): readonly Adapter[] {
  return Object.entries(vendorTimes).map(([vendorId, takesMs]) => ({
    vendorId,
    capability: benchCapability,
    description: `Answers after ${takesMs} ms.`,
    credentials: [{ name: credentialOf(vendorId), isRequired: true, isSecret: true, description: "Proves who asks." }],
    impact: "HIGH",
    isIdempotent: true,
    timeoutMs: 20_000,
    preview: ({ target }) => ({ target }),
    async execute({ target }) {
      const startedAt = performance.now();
      if (takesMs > 0) await pause(takesMs);
      const details = { host: target, containment_id: "cnt-114-77", took_ms: performance.now() - startedAt };
      return { status: "SUCCEEDED", summary: `Isolated ${target}.`, details };
    },
  }));
}
