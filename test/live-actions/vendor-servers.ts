// What the tests of the vendors' client share: the client itself, and vendors on loopback.
import type { IncomingMessage } from "node:http";
import { inspect } from "node:util";
import { expect } from "vitest";
import { createEgressPolicy } from "../../src/executors/egress.ts";
import { TokenCache } from "../../src/live-actions/token-cache.ts";
import { createVendorHttp, type VendorHttpOptions, type VendorRequest } from "../../src/live-actions/vendor-http.ts";
import { serve } from "../executors/remote-attempt.ts";

const egress = createEgressPolicy({ allow: ["127.0.0.0/8"], deny: [], private: "deny" });

export function httpWith(options: Partial<VendorHttpOptions> = {}) {
  const signal = new AbortController().signal;
  const tokens = new TokenCache();
  return createVendorHttp({ egress, signal, tenantId: "t", vendorId: "acme", tokens, credentials: {}, ...options });
}

export const get = (url: string, more: Partial<VendorRequest> = {}): VendorRequest => ({
  method: "GET",
  url: new URL(url),
  ...more,
});

/** A server that answers with these in turn, and with the last one from then on; and what it was asked. */
export async function serveInTurn(...answers: [number, Record<string, string>, string][]) {
  const asked: IncomingMessage[] = [];
  const url = await serve((request, response) => {
    const [status, headers, body] = answers[Math.min(asked.push(request), answers.length) - 1]!;
    response.writeHead(status, headers).end(body);
  });
  return { url, asked };
}

export async function thrownBy(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  return promise.then(
    (value) => expect.fail(`it did not throw, but answered ${inspect(value)}`),
    (error) => error,
  );
}
