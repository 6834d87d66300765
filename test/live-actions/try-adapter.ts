// Stands for the dispatcher where an adapter is tried alone: the same client, mask and signal, on loopback.
import { inspect } from "node:util";
import { expect } from "vitest";
import { createEgressPolicy } from "../../src/executors/egress.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../../src/live-actions/adapter.ts";
import { TokenCache } from "../../src/live-actions/token-cache.ts";
import { createVendorHttp, VendorError, VendorUnreachable } from "../../src/live-actions/vendor-http.ts";
import { createMask } from "../../src/secrets/mask.ts";
import type { FakeCall, VendorFake } from "./fakes/vendor-fake.ts";

const egress = createEgressPolicy({ allow: ["127.0.0.0/8"], deny: [], private: "deny" });

export interface Trial {
  readonly adapter: Adapter;
  readonly request: AdapterRequest;
  readonly fake: VendorFake;
  readonly tokens?: TokenCache;
  readonly tenantId?: string;
  readonly signal?: AbortSignal;
  /** What is called; the adapter's `execute` where it is left out. */
  readonly invoke?: (call: AdapterCall) => Promise<AdapterResult>;
}

/** What came of it: exactly one of them. */
export interface TrialOutcome {
  readonly result?: AdapterResult;
  readonly thrown?: unknown;
}

/** Calls an adapter once, and sees to it that nothing secret comes out. `sleep` does not wait, so polling is to be bounded by a count of reads. */
export async function tryAdapter(trial: Trial): Promise<TrialOutcome> {
  const { adapter, fake } = trial;
  const { credentials } = fake;
  const signal = trial.signal ?? new AbortController().signal;
  const http = createVendorHttp({
    egress,
    signal,
    tenantId: trial.tenantId ?? "tenant-1",
    vendorId: adapter.vendorId,
    tokens: trial.tokens ?? new TokenCache(),
    credentials,
    mask: createMask(secretsOf(adapter, credentials)),
  });
  const sleep = async (): Promise<void> => signal.throwIfAborted();
  const call: AdapterCall = { ...trial.request, credentials, signal, http: { ...http, sleep } };
  const outcome = await outcomeOf(() => (trial.invoke ?? adapter.execute)(call));
  expectNoSecret(outcome, [...secretsOf(adapter, credentials), ...fake.calls.flatMap(tokenOf)]);
  return outcome;
}

/** What a call signed in with, without the scheme. */
function tokenOf({ headers }: FakeCall): string[] {
  const token = headers.authorization?.split(" ").at(-1);
  return token ? [token] : [];
}

async function outcomeOf(invoke: () => Promise<AdapterResult>): Promise<TrialOutcome> {
  try {
    return { result: await invoke() };
  } catch (thrown) {
    return { thrown };
  }
}

/** It succeeded, and says so in a line. */
export function expectDone({ result, thrown }: TrialOutcome) {
  if (result?.status !== "SUCCEEDED") throw thrown ?? new Error(`It did not succeed: ${JSON.stringify(result)}`);
  expect(result.summary).toMatch(/^\S.*\S$/);
  return result;
}

/** It failed in a way that a caller can act on. */
export function expectNotDone({ result, thrown }: TrialOutcome): void {
  if (result) {
    expect(result.status).toBe("FAILED");
    expect(result).toMatchObject({
      error: expect.stringMatching(/^[a-z][a-z0-9_]*$/),
      summary: expect.stringMatching(/\w{3}/),
    });
  } else if (!(thrown instanceof VendorError || thrown instanceof VendorUnreachable)) {
    throw thrown;
  }
}

/** Neither what it answered nor what it threw shows a credential, nor a token that it signed in with. */
function expectNoSecret({ result, thrown }: TrialOutcome, secrets: readonly string[]): void {
  const body = thrown instanceof VendorError ? thrown.body : undefined;
  const shown = `${JSON.stringify({ result, body })} ${inspect(thrown)}`;
  for (const secret of secrets) expect(shown).not.toContain(secret);
}

/** The values of an adapter's secret credentials. */
export function secretsOf(adapter: Adapter, credentials: Readonly<Record<string, string>>): string[] {
  const names = adapter.credentials.filter(({ isSecret }) => isSecret).map(({ name }) => name);
  return names.flatMap((name) => credentials[name] ?? []);
}
