import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createAdmission } from "../src/admission.ts";
import { readConfig } from "../src/config.ts";
import { limits } from "../src/core/limits.ts";
import type { Authenticator } from "../src/tenancy/authenticate.ts";

const caller = (kind: string, id: string) => ({ actor: { kind, id, name: id }, roles: [], permissions: new Set() });

function worldOf(environment: Record<string, string> = {}) {
  const callers = new Map<string | undefined, unknown>([
    ["Bearer a", caller("TOKEN", "1")],
    ["Bearer b", caller("TOKEN", "2")],
    ["Bearer off", caller("TOKEN", "4")],
    ["Bearer jwt-1", caller("MEMBER", "3")],
    ["Bearer jwt-2", caller("MEMBER", "3")],
  ]);
  const looked: unknown[] = [];
  const authenticator = {
    identify: async (authorization: string) => {
      looked.push(authorization);
      if (authorization === "Bearer away") throw new Error("The database is away.");
      const caller = callers.get(authorization);
      return caller && { caller, isTenantDisabled: authorization === "Bearer off" };
    },
    mayBeGuess: (authorization: string) => authorization !== "Bearer a" && !authorization.includes("jwt"),
  } as unknown as Authenticator;
  const admit = createAdmission(authenticator, readConfig(environment));
  return { looked, ask: (authorization?: string, address = "192.0.2.1") => admit({ authorization, address }) };
}

/** How often somebody is let in before they have to wait. */
async function countOf(ask: () => Promise<number>, max = 200): Promise<number> {
  for (let count = 0; count < max; count++) if ((await ask()) > 0) return count;
  return max;
}

describe("the rate of a caller", () => {
  const few = { RATE_LIMIT_PER_MINUTE: "60", RATE_LIMIT_BURST: "3" };

  test("is bounded for each token by itself", async () => {
    const { ask } = worldOf(few);
    expect([await countOf(() => ask("Bearer a")), await countOf(() => ask("Bearer b"))]).toEqual([3, 3]);
    expect(await ask("Bearer a")).toBeGreaterThan(0);
    expect(await ask("Bearer a")).toBeLessThanOrEqual(1_000);
  });

  test("is one for a person, whatever tokens they have", async () => {
    const { ask } = worldOf(few);
    expect([await countOf(() => ask("Bearer jwt-1")), await countOf(() => ask("Bearer jwt-2"))]).toEqual([3, 0]);
  });

  test("is one for an address without a token", async () => {
    const { ask } = worldOf(few);
    expect([await countOf(() => ask()), await countOf(() => ask(undefined, "192.0.2.2"))]).toEqual([3, 3]);
    expect(await ask("Bearer a")).toBe(0);
  });

  test("has a burst of a tenth of it, where the operator does not say", async () => {
    const { ask } = worldOf({ RATE_LIMIT_PER_MINUTE: "95" });
    expect(await countOf(() => ask("Bearer a"))).toBe(10);
  });

  test("is generous by default, and not bounded where the operator says so", async () => {
    const { ask } = worldOf();
    expect(await countOf(() => ask("Bearer a"), 2_000)).toBe(2_000);
    const { ask: unbounded } = worldOf({ RATE_LIMIT_PER_MINUTE: "0", RATE_LIMIT_BURST: "1" });
    expect(await countOf(() => unbounded("Bearer a"), 2_000)).toBe(2_000);
  });
});

describe("failed sign-ins", () => {
  let guesses = 0;
  const guess = () => `Bearer guess-${guesses++}`;
  // Nothing comes back meanwhile; what waits for its turn waits all the same.
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("slow their address down", async () => {
    const { ask } = worldOf();
    expect(await countOf(() => ask(guess()))).toBe(limits.failedSignInsBurst);
    expect(await ask(guess())).toBeGreaterThan(0);
    expect(await ask(guess(), "192.0.2.2")).toBe(0);
  });

  test("hold up neither who was let in lately nor other addresses", async () => {
    const { ask } = worldOf();
    await countOf(() => ask(guess()));
    expect(await ask("Bearer a")).toBe(0);
    expect(await ask("Bearer jwt-1")).toBe(0);
    expect(await ask("Bearer b", "192.0.2.2")).toBe(0);
    // What is none is told to wait all the same.
    expect(await ask("Bearer bad-jwt")).toBeGreaterThan(0);
  });

  test("lock out nobody who comes to their address with a valid token for the first time", async () => {
    const { ask } = worldOf();
    await countOf(() => ask(guess()));
    const flood = Array.from({ length: 100 }, () => ask(guess()));
    expect(await ask("Bearer b")).toBe(0);
    for (const wait of await Promise.all(flood)) expect(wait).toBeGreaterThan(0);
  });

  test("have no more looked up at once than is bounded, and all of it together", async () => {
    const { ask, looked } = worldOf();
    await countOf(() => ask(guess()));
    const before = looked.length;
    const [many, more] = [limits.suspectsAtOnceMax, 50];
    const asked = Array.from({ length: many + more }, () => ask(guess()));
    // The last are told at once, while the others wait: nothing was looked up until then.
    for (const wait of await Promise.all(asked.slice(many))) expect(wait).toBeGreaterThan(0);
    expect(looked).toHaveLength(before);
    for (const wait of await Promise.all(asked)) expect(wait).toBeGreaterThan(0);
    expect(looked).toHaveLength(before + many);
  });

  test("of many addresses are bounded together as well", async () => {
    const { ask, looked } = worldOf();
    const addressOf = (index: number) => `2001:db8::${index.toString(16)}`;
    for (let index = 0; index < limits.allFailedSignInsBurst; index++) {
      expect(await ask(guess(), addressOf(index))).toBe(0);
    }
    const before = looked.length;
    const [many, more] = [limits.suspectsAtOnceMax, 50];
    const waits = await Promise.all(
      Array.from({ length: many + more }, (_, index) => ask(guess(), addressOf(10_000 + index))),
    );
    expect(waits.filter((wait) => wait > 0)).toHaveLength(more);
    expect(looked).toHaveLength(before + many);
    // Those who come with something valid are let in, wherever they come from.
    expect(await ask("Bearer b", addressOf(20_000))).toBe(0);
  });

  test("of one address take no place of those who come from elsewhere, also where all fail too often", async () => {
    const { ask } = worldOf();
    await countOf(() => ask(guess()));
    const addresses = Array.from({ length: limits.allFailedSignInsBurst }, (_, index) => `2001:db8::${index}`);
    await Promise.all(addresses.map((address) => ask(guess(), address)));
    const flood = Array.from({ length: limits.suspectsAtOnceMax + 50 }, () => ask(guess()));
    expect(await ask("Bearer b", "192.0.2.2")).toBe(0);
    for (const wait of await Promise.all(flood)) expect(wait).toBeGreaterThan(0);
  });

  test("that can be no token take nobody's place", async () => {
    const { ask, looked } = worldOf();
    await countOf(() => ask(guess()));
    const before = looked.length;
    const none = Array.from({ length: limits.suspectsAtOnceMax }, () => ask("Basic YTpi"));
    expect(await ask("Bearer b")).toBe(0);
    for (const wait of await Promise.all(none)) expect(wait).toBeGreaterThan(0);
    expect(looked).toHaveLength(before + 1);
  });

  test("are none where the tenant is disabled: nobody else at the address is slowed", async () => {
    const { ask } = worldOf();
    expect(await countOf(() => ask("Bearer off"))).toBe(200);
    expect(await ask("Bearer b")).toBe(0);
    const { ask: rated } = worldOf({ RATE_LIMIT_PER_MINUTE: "60", RATE_LIMIT_BURST: "3" });
    expect(await countOf(() => rated("Bearer off"))).toBe(3);
  });

  test("are not counted while nobody can say who somebody is", async () => {
    const { ask } = worldOf();
    expect(await countOf(() => ask("Bearer away"))).toBe(200);
  });
});
