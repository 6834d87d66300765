// What the contract suite (adapter-contract.ts) tries, and what a vendor's test tells it.
import { afterEach, expect } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter, AdapterRequest } from "../../src/live-actions/adapter.ts";
import type { Behaviour, VendorFake } from "./fakes/vendor-fake.ts";
import { expectDone, type TrialOutcome, tryAdapter } from "./try-adapter.ts";

export interface AdapterContract {
  readonly startFake: (behaviour: Behaviour) => Promise<VendorFake>;
  /** Succeeds at a fake that behaves. */
  readonly request: AdapterRequest;
  readonly expectedCalls: readonly string[];
  /** What the details hold at least. */
  readonly expectedDetails: JsonObject;
  /** The name of the call that fetches the token; none where each call carries the credential itself. */
  readonly signIn?: string;
  /** How many of the last calls only look whether it is done: where one fails, it was done all the same, `accepted` or with a warning. */
  readonly afterEffect?: number;
  /** Names of calls of whose answer only the status counts, e.g. a DELETE: any JSON will do. */
  readonly unreadAnswers?: readonly string[];
  /** Names of calls that may fail without failing the action, e.g. a sign-out; as `afterEffect`, but anywhere and without a word. */
  readonly toleratedAt?: readonly string[];
  /** False where any target is as good as another, e.g. a search. */
  readonly looksUpTarget?: boolean;
  /** Where the adapter has a rollback: its calls after a success, a sign-in of its own among them. */
  readonly rollback?: Pick<AdapterContract, "expectedCalls" | "afterEffect" | "unreadAnswers" | "toleratedAt">;
}

const fakes: VendorFake[] = [];
afterEach(async () => {
  const used = fakes.splice(0);
  await Promise.all(used.map((fake) => fake.close()));
  expect(used.flatMap(({ mistakes }) => mistakes)).toEqual([]);
});

/** Something to try at a fake: an execution, or a rollback of one that succeeded there. */
export type Attempt = (
  behaviour: Behaviour,
  signal?: AbortSignal,
  onFake?: (fake: VendorFake) => void,
) => Promise<Tried>;

export interface Tried {
  readonly fake: VendorFake;
  readonly outcome: TrialOutcome;
}

/** A fake that is closed after the test, which fails where the fake was asked what it does not know. */
export async function start(
  contract: Pick<AdapterContract, "startFake">,
  behaviour: Behaviour = {},
): Promise<VendorFake> {
  const fake = await contract.startFake(behaviour);
  fakes.push(fake);
  return fake;
}

export function execution(adapter: Adapter, contract: AdapterContract): Attempt {
  return async (behaviour, signal, onFake) => {
    const fake = await start(contract, behaviour);
    onFake?.(fake);
    const outcome = await tryAdapter({ adapter, request: contract.request, fake, ...(signal && { signal }) });
    return { fake, outcome };
  };
}

export function rollback(adapter: Adapter, contract: AdapterContract): Attempt {
  return async (behaviour, signal, onFake) => {
    const { fake, outcome: done } = await execution(adapter, contract)({});
    const { details } = expectDone(done);
    fake.restart(behaviour.fault);
    onFake?.(fake);
    const invoke: typeof adapter.execute = (call) => adapter.rollback!(call, details);
    const trial = { adapter, request: contract.request, fake, invoke, ...(signal && { signal }) };
    return { fake, outcome: await tryAdapter(trial) };
  };
}
