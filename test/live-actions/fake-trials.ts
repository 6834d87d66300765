// Single trials of an adapter at a fake, which is closed after the test and must have had nothing to complain of.
import { afterEach, expect } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter, AdapterRequest } from "../../src/live-actions/adapter.ts";
import { type VendorHttp, type VendorRequest, VendorUnreachable } from "../../src/live-actions/vendor-http.ts";
import type { VendorFake } from "./fakes/vendor-fake.ts";
import { type TrialOutcome, tryAdapter } from "./try-adapter.ts";

const fakes: VendorFake[] = [];
afterEach(async () => {
  const used = fakes.splice(0);
  await Promise.all(used.map((fake) => fake.close()));
  expect(used.flatMap(({ mistakes }) => mistakes)).toEqual([]);
});

/** Closes the fake after the test. */
export async function kept<Fake extends VendorFake>(starting: Promise<Fake>): Promise<Fake> {
  const fake = await starting;
  fakes.push(fake);
  return fake;
}

export function asked(target: string, params: JsonObject = {}): AdapterRequest {
  return { requestId: "req-1", target, params };
}

/** The fake as one with other credentials finds it. */
export function withCredentials<Fake extends VendorFake>(fake: Fake, credentials: Record<string, string>): Fake {
  return { ...fake, credentials: { ...fake.credentials, ...credentials } };
}

/** Calls the adapter with a request that it has nothing against. */
export function runAt(fake: VendorFake, adapter: Adapter, request: AdapterRequest): Promise<TrialOutcome> {
  expect(adapter.check?.(request)).toBeUndefined();
  return tryAdapter({ adapter, fake, request });
}

/** Undoes what the details tell of. The target is another, since a rollback goes by the details. */
export function rollBackAt(fake: VendorFake, adapter: Adapter, details: JsonObject): Promise<TrialOutcome> {
  const invoke: Adapter["execute"] = (call) => adapter.rollback!(call, details);
  return tryAdapter({ adapter, fake, request: asked("another"), invoke });
}

/** What an adapter would send first, with nobody there to receive it. */
export async function firstRequest(
  adapter: Adapter,
  request: AdapterRequest,
  credentials: Record<string, string>,
): Promise<VendorRequest> {
  const sent: VendorRequest[] = [];
  const send = async (one: VendorRequest): Promise<never> => {
    sent.push(one);
    throw new VendorUnreachable("connection_refused", "Nobody listens.");
  };
  const signIn: VendorHttp["callWithToken"] = async (_key, fetchToken, request) =>
    send(request((await fetchToken()).token));
  const http = { send, call: send, callWithToken: signIn, excerpt: (text: string) => text, sleep: async () => {} };
  const running = adapter.execute({ ...request, http, signal: new AbortController().signal, credentials });
  await expect(running).rejects.toThrow("Nobody listens.");
  expect(sent).toHaveLength(1);
  return sent[0]!;
}
