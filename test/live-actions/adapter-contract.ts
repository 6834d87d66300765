// The one suite that every built-in adapter passes. How a vendor joins:
//
// 1. Write its fake in fakes/<vendor>.ts with `startVendorFake` (fakes/vendor-fake.ts): routes with narrow paths that check headers, bodies and
//    escaping by `assert` and answer as the vendor does, for one known target. `behaviour.lacksTarget`: there is none. Faults are done for you.
//    Issue a new token at every sign-in, and accept only those you issued.
// 2. In <vendor>.test.ts call `describeAdapter(adapter, contract)` once for each adapter. `expectedCalls` are the names of the calls of a success
//    in order (`POST /path?query` as sent, or what the route's `name` says); every fault is tried at each of them.
// 3. Say where the adapter is special: `afterEffect`, `unreadAnswers`, `toleratedAt`, `looksUpTarget`, below. What is left out is the strict case.
//
// What a dispatch sees to (credentials, dry runs, results, the rollback by its request id) is tried by the same contract: adapter-dispatches.ts.
// builtins.test.ts counts that no pair was left out.
//
// `http.sleep` does not wait here, so bound polling by a count of reads (`awaitCompletion`), not by a clock. An outcome that is not a success is
// either a FAILED result with a stable code, or a thrown VendorError, VendorUnreachable or the signal's reason; never a bug's TypeError.
import { describe, expect, test, vi } from "vitest";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { TokenCache } from "../../src/live-actions/token-cache.ts";
import { VendorUnreachable } from "../../src/live-actions/vendor-http.ts";
import { type AdapterContract, type Attempt, execution, rollback, start } from "./adapter-attempts.ts";
import { describeDispatches } from "./adapter-dispatches.ts";
import type { FaultKind, VendorFake } from "./fakes/vendor-fake.ts";
import { expectDone, expectNotDone, type TrialOutcome, tryAdapter } from "./try-adapter.ts";

/** Runs the suite for one adapter. Call it at the top of a test file. */
export function describeAdapter(adapter: Adapter, contract: AdapterContract): void {
  describe(`${adapter.vendorId} ${adapter.capability}`, () => {
    describeDeclaration(adapter, contract);
    describeSuccess(adapter, contract);
    const rolledBack = contract.rollback;
    describeFaults(execution(adapter, contract), contract);
    describeConnection(execution(adapter, contract), contract);
    if (contract.signIn !== undefined) describeTokens(adapter, contract, contract.signIn);
    describeTargets(adapter, contract);
    if (rolledBack) {
      describe("rolled back", () => {
        describeRollback(adapter, contract);
        describeFaults(rollback(adapter, contract), {
          ...rolledBack,
          ...(contract.signIn && { signIn: contract.signIn }),
        });
      });
    } else {
      test("says why it can't be undone", () => {
        expect(adapter.rollback).toBeUndefined();
        expect(adapter.irreversible).toMatch(/\w{3}/);
      });
    }
    describeDispatches(adapter, contract);
  });
}

function describeDeclaration(adapter: Adapter, { request }: AdapterContract): void {
  test("declares itself in full", () => {
    for (const name of [adapter.vendorId, adapter.capability]) expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    expect(adapter.description).toMatch(/\w.*\.$/s);
    expect(adapter.timeoutMs).toBeGreaterThanOrEqual(1_000);
    expect(adapter.timeoutMs).toBeLessThanOrEqual(600_000);
    const names = adapter.credentials.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { description } of adapter.credentials) expect(description).toMatch(/\w{3}/);
  });

  test("previews without anything but the request", () => {
    expect(adapter.check?.(request)).toBeUndefined();
    const preview = adapter.preview(request);
    expect(JSON.parse(JSON.stringify(preview))).toEqual(preview);
    expect(adapter.preview(request)).toEqual(preview);
  });
}

function describeSuccess(adapter: Adapter, contract: AdapterContract): void {
  test("makes the vendor's calls in order, and tells what was done", async () => {
    const { fake, outcome } = await execution(adapter, contract)({});
    const result = expectDone(outcome);
    expect(fake.calls.map(({ name }) => name)).toEqual(contract.expectedCalls);
    expect(result.details).toMatchObject(contract.expectedDetails);
    expect(JSON.parse(JSON.stringify(result.details))).toEqual(result.details);
  });
}

/** Each of the expected calls: which one of its name it is, and whether the action is done before it. */
function sitesOf({ expectedCalls, afterEffect = 0, toleratedAt = [] }: Omit<FaultyContract, "signIn">) {
  return expectedCalls.map((at, index) => ({
    at,
    from: expectedCalls.slice(0, index).filter((name) => name === at).length,
    isDone: index >= expectedCalls.length - afterEffect,
    isTolerated: toleratedAt.includes(at),
  }));
}

type FaultyContract = Pick<
  AdapterContract,
  "expectedCalls" | "afterEffect" | "unreadAnswers" | "toleratedAt" | "signIn"
>;

const faults: readonly FaultKind[] = ["refused", "broken", "cut off", "garbled", "web page", "misshapen"];

function describeFaults(attempt: Attempt, contract: FaultyContract): void {
  const sites = sitesOf(contract);

  test.each(faults.flatMap((kind) => sites.map((site) => ({ kind, ...site }))))(
    "does not claim more than it knows when $at ($from) is $kind",
    async ({ kind, at, from, isDone, isTolerated }) => {
      const { outcome } = await attempt({ fault: { kind, at, from } });
      const isUnread = kind === "misshapen" && contract.unreadAnswers?.includes(at) === true;
      if (isTolerated || isUnread) expectDone(outcome);
      else if (isDone) expectUnconfirmed(outcome);
      else expectNotDone(outcome);
    },
  );

  test.each((["busy", "unavailable"] as const).flatMap((kind) => sites.map((site) => ({ kind, ...site }))))(
    "asks again when $at ($from) is $kind",
    async ({ kind, at, from }) => {
      const { fake, outcome } = await attempt({ fault: { kind, at, from, times: 1 } });
      expectDone(outcome);
      expect(fake.calls).toHaveLength(contract.expectedCalls.length + 1);
    },
  );

  test.each(sites)("takes a 401 of $at ($from) for what it is", async ({ at, from, isDone, isTolerated }) => {
    const { fake, outcome } = await attempt({ fault: { kind: "unauthorised", at, from } });
    if (isTolerated) return void expectDone(outcome);
    if (isDone) return expectUnconfirmed(outcome);
    expectNotDone(outcome);
    const sent = fake.calls.filter(({ name }) => name === at).length - from;
    expect(sent).toBe(contract.signIn === undefined || contract.signIn === at ? 1 : 2);
  });
}

/** It was done, and the result says that nobody saw it. */
function expectUnconfirmed(outcome: TrialOutcome): void {
  const result = expectDone(outcome);
  expect(result.completion === "accepted" || (result.warnings?.length ?? 0) > 0).toBe(true);
}

function describeConnection(attempt: Attempt, contract: AdapterContract): void {
  test.each(sitesOf(contract))(
    "ends with its dispatch's time when $at ($from) is silent",
    async ({ at, from, isDone }) => {
      const controller = new AbortController();
      const reason = new Error("the time of this dispatch is over");
      const running = attempt({ fault: { kind: "silent", at, from } }, controller.signal, (fake) => {
        const isAsked = () => expect(fake.calls.filter(({ name }) => name === at).length).toBeGreaterThan(from);
        void vi.waitFor(isAsked, { timeout: 20_000, interval: 2 }).then(() => controller.abort(reason));
      });
      const { outcome } = await running;
      if (!isDone || outcome.result === undefined) expect(outcome).toEqual({ thrown: reason });
    },
  );

  test("says when nobody listens", async () => {
    const { outcome } = await attempt({}, undefined, (fake) => void fake.close());
    expect(outcome.thrown).toBeInstanceOf(VendorUnreachable);
    expect((outcome.thrown as VendorUnreachable).code).toBe("connection_refused");
  });
}

function describeTokens(adapter: Adapter, contract: AdapterContract, signIn: string): void {
  const signIns = (fake: VendorFake) => fake.calls.filter(({ name }) => name === signIn).length;
  const sites = sitesOf(contract).filter(({ at }) => at !== signIn);

  test.each(sites)("asks for a fresh token when $at ($from) refuses the old one", async ({ at, from }) => {
    const { fake, outcome } = await execution(
      adapter,
      contract,
    )({ fault: { kind: "unauthorised", at, from, times: 1 } });
    expectDone(outcome);
    expect(signIns(fake)).toBe(2);
    const [refused, accepted] = fake.calls.filter(({ name }) => name === at).slice(from);
    expect(accepted?.headers.authorization).toBeTypeOf("string");
    expect(accepted?.headers.authorization).not.toBe(refused?.headers.authorization);
  });

  test("keeps its token for the next call of the same tenant, and for nobody else", async () => {
    const fake = await start(contract);
    const tokens = new TokenCache();
    const trial = { adapter, request: contract.request, fake, tokens };
    await tryAdapter(trial);
    await tryAdapter(trial);
    expect(signIns(fake)).toBe(1);
    await tryAdapter({ ...trial, tenantId: "tenant-2" });
    expect(signIns(fake)).toBe(2);
  });
}

/** What breaks out of a query, a path, a command line or a header, where it is not escaped. */
const hostileTargets = [
  ...[
    "' or 1=1",
    '" or "1"="1',
    "host'+hostname:*",
    "a' | delete",
    "a;b&&c`d`$(e)",
    "| rest /services",
    "*",
    "-rf",
    "--help",
  ],
  ...[
    "..",
    ".",
    "../../admin",
    "a/../b",
    "%2e%2e/x",
    "x?y=1#z",
    "x&top=5",
    "a\\",
    "\\'",
    "{{ x }}",
    "[search index=*]",
    "\r\nx: y",
  ],
  ...["a\nb", "tab\there", "ünïcode-😀→", "\u202egnp", "nul\u0000", "\ud800", "", "   ", "x".repeat(5_000)],
];

function describeTargets(adapter: Adapter, contract: AdapterContract): void {
  const looksUpTarget = contract.looksUpTarget !== false;

  if (looksUpTarget) {
    test("says when the vendor knows no such target", async () => {
      const { outcome } = await execution(adapter, contract)({ lacksTarget: true });
      expect(outcome.result).toMatchObject({ status: "FAILED", error: "target_not_found" });
    });
  }

  test.each(hostileTargets)("does nothing else than it says for the target %j", async (target) => {
    const fake = await start(contract);
    const request = { ...contract.request, target };
    expect(() => adapter.preview(request)).not.toThrow();
    const problem = adapter.check?.(request);
    if (problem)
      return expect(problem).toEqual({ error: expect.stringMatching(/^invalid_/), message: expect.any(String) });
    const outcome = await tryAdapter({ adapter, request, fake });
    // The fake compares what it decodes with its own target, and knows no other paths: `mistakes` would name them.
    if (looksUpTarget) expectNotDone(outcome);
    else if (outcome.result?.status !== "SUCCEEDED") expectNotDone(outcome);
  });
}

function describeRollback(adapter: Adapter, contract: AdapterContract): void {
  test("undoes what the details say", async () => {
    const { fake, outcome } = await rollback(adapter, contract)({});
    expectDone(outcome);
    expect(fake.calls.map(({ name }) => name)).toEqual(contract.rollback?.expectedCalls);
  });

  test("does nothing by details that name nothing", async () => {
    const fake = await start(contract);
    const invoke: typeof adapter.execute = (call) => adapter.rollback!(call, {});
    const outcome = await tryAdapter({ adapter, request: contract.request, fake, invoke });
    expectNotDone(outcome);
    expect(outcome.result?.status).toBe("FAILED");
  });
}
