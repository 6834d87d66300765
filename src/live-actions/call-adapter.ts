import type { JsonObject } from "../core/json.ts";
import { createMask, type Mask } from "../secrets/mask.ts";
import type { Adapter, AdapterRequest, AdapterResult } from "./adapter.ts";
import {
  DispatchInterrupted,
  type DispatchResult,
  keepable,
  resultOf,
  resultOfError,
  uncalled,
  VendorTimeout,
} from "./dispatch-result.ts";
import type { VendorHttp, VendorHttpOptions } from "./vendor-http.ts";

/** Makes the HTTP client of one call. */
export type OpenHttp = (options: Omit<VendorHttpOptions, "egress" | "tokens">) => VendorHttp;

export interface AdapterJob {
  readonly tenantId: string;
  readonly adapter: Adapter;
  readonly request: AdapterRequest;
  /** The adapter's own, all that it requires among them. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Texts that the result may not hold besides. */
  readonly secrets: readonly string[];
  /** Of the dispatch that is to be undone; without it, the adapter does what it is for. */
  readonly undo?: JsonObject | undefined;
  /** Bound of the call, besides the adapter's own. */
  readonly timeoutMs?: number | undefined;
}

interface CallPorts {
  readonly openHttp: OpenHttp;
  /** Aborted when the server can't wait any longer. */
  readonly stopping: AbortSignal;
}

/**
 * Makes one call of an adapter within its time. Whatever it does, there is a result, which holds no credential.
 * A call that does not let go when its time is over is left behind.
 */
export async function callAdapter(ports: CallPorts, job: AdapterJob): Promise<DispatchResult> {
  const { adapter, credentials } = job;
  const own = adapter.credentials.flatMap(({ name, isSecret }) => (isSecret ? (credentials[name] ?? []) : []));
  const mask = createMask([...own, ...job.secrets]);
  const controller = new AbortController();
  const { signal } = controller;
  const timeoutMs = Math.min(adapter.timeoutMs, job.timeoutMs ?? Number.POSITIVE_INFINITY);
  const timer = setTimeout(() => controller.abort(timedOut(timeoutMs)), timeoutMs);
  const interrupt = () => controller.abort(interrupted());
  ports.stopping.addEventListener("abort", interrupt);
  try {
    if (ports.stopping.aborted) return uncalled("server_stopping", "The server stops: nobody was contacted.");
    return keepable(resultOf(await firstOf(signal, call(ports, job, { mask, signal }))), mask);
  } catch (error) {
    return keepable(resultOfError(error), mask);
  } finally {
    clearTimeout(timer);
    ports.stopping.removeEventListener("abort", interrupt);
    // What the adapter left under way ends with it.
    controller.abort(over);
  }
}

// Made once: an exception is as much work as all else that a call leaves behind.
const over = new DOMException("The call is over.", "AbortError");

interface Bounds {
  readonly mask: Mask;
  readonly signal: AbortSignal;
}

async function call({ openHttp }: CallPorts, job: AdapterJob, { mask, signal }: Bounds): Promise<AdapterResult> {
  const { tenantId, adapter, request, credentials, undo } = job;
  const http = openHttp({ tenantId, vendorId: adapter.vendorId, credentials, mask, signal });
  const adapterCall = { ...request, credentials, http, signal };
  if (undo === undefined) return adapter.execute(adapterCall);
  if (!adapter.rollback) throw new Error(`${adapter.vendorId}/${adapter.capability} has no rollback.`);
  return adapter.rollback(adapterCall, undo);
}

/** What the adapter answers, unless the signal comes first. */
function firstOf(signal: AbortSignal, answer: Promise<AdapterResult>): Promise<AdapterResult> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    answer.then(resolve, reject);
  });
}

function timedOut(timeoutMs: number): VendorTimeout {
  return new VendorTimeout(
    `The vendor did not answer within ${timeoutMs / 1_000} s. Whether it took effect is unknown: look at the vendor.`,
  );
}

function interrupted(): DispatchInterrupted {
  return new DispatchInterrupted(
    "The server stopped before the vendor answered. Whether it took effect is unknown: look at the vendor.",
  );
}
