import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { TokenCache } from "../../src/live-actions/token-cache.ts";

const signal = new AbortController().signal;
const minute = 60_000;

/** Hands out token-1, token-2, and so on. */
function issuer(expiresInMs = 30 * minute) {
  let issued = 0;
  return vi.fn(async () => ({ token: `token-${++issued}`, expiresInMs }));
}

describe("the tokens of vendors", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("are kept until a while before their end", async () => {
    const tokens = new TokenCache();
    const fetch = issuer();
    const ask = { key: "k", fetch, signal };
    expect(await tokens.get(ask)).toBe("token-1");
    vi.advanceTimersByTime(30 * minute - limits.vendorTokenMarginMs - 1);
    expect(await tokens.get(ask)).toBe("token-1");
    vi.advanceTimersByTime(1);
    expect(await tokens.get(ask)).toBe("token-2");
  });

  test.each([
    ["for half their life where it is short", 90_000, 45_000],
    [
      "no longer than a bound, whatever the vendor says",
      Number.MAX_VALUE,
      limits.vendorTokenMsMax - limits.vendorTokenMarginMs,
    ],
  ])("are kept %s", async (_name, expiresInMs, keptMs) => {
    const tokens = new TokenCache();
    const ask = { key: "k", fetch: issuer(expiresInMs), signal };
    await tokens.get(ask);
    vi.advanceTimersByTime(keptMs - 1);
    expect(await tokens.get(ask)).toBe("token-1");
    vi.advanceTimersByTime(1);
    expect(await tokens.get(ask)).toBe("token-2");
  });

  test.each([0, -5, Number.NaN])("are not kept where they are said to live for %s ms", async (expiresInMs) => {
    const tokens = new TokenCache();
    const ask = { key: "k", fetch: issuer(expiresInMs), signal };
    expect([await tokens.get(ask), await tokens.get(ask)]).toEqual(["token-1", "token-2"]);
  });

  test("are fetched once by those who ask at the same time", async () => {
    const tokens = new TokenCache();
    const fetch = issuer();
    const asks = Array.from({ length: 5 }, () => tokens.get({ key: "k", fetch, signal }));
    expect(new Set(await Promise.all(asks))).toEqual(new Set(["token-1"]));
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test("are never another key's", async () => {
    const tokens = new TokenCache();
    const fetch = issuer();
    const got = await Promise.all(["a", "b"].map((key) => tokens.get({ key, fetch, signal })));
    expect(got).toEqual(["token-1", "token-2"]);
  });

  test("that could not be fetched are asked for again, by the next one", async () => {
    const tokens = new TokenCache();
    const fetch = vi
      .fn()
      .mockRejectedValueOnce(new Error("no"))
      .mockResolvedValueOnce({ token: "t", expiresInMs: minute });
    const both = [tokens.get({ key: "k", fetch, signal }), tokens.get({ key: "k", fetch, signal })];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await tokens.get({ key: "k", fetch, signal })).toBe("t");
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("are asked for anew where the one who was asking ran out of time, and by nobody whose own time is over", async () => {
    const tokens = new TokenCache();
    const controllers = [new AbortController(), new AbortController()];
    const never = () =>
      new Promise<never>((_resolve, reject) => {
        controllers[0]!.signal.addEventListener("abort", () => reject(controllers[0]!.signal.reason));
      });
    const fetch = issuer();
    const first = tokens.get({ key: "k", fetch: never, signal: controllers[0]!.signal });
    const second = tokens.get({ key: "k", fetch, signal: controllers[1]!.signal });
    const third = tokens.get({ key: "k", fetch, signal });
    const settled = Promise.allSettled([first, second, third]);
    await setImmediate();
    controllers[1]!.abort(new Error("second is over"));
    await setImmediate();
    expect(fetch).not.toHaveBeenCalled();
    controllers[0]!.abort(new Error("first is over"));
    const [one, two, three] = await settled;
    expect(one).toMatchObject({ status: "rejected", reason: { message: "first is over" } });
    expect(two).toMatchObject({ status: "rejected", reason: { message: "second is over" } });
    expect(three).toEqual({ status: "fulfilled", value: "token-1" });
  });

  test("that were refused are dropped, but not the fresh one that came meanwhile", async () => {
    const tokens = new TokenCache();
    const ask = { key: "k", fetch: issuer(), signal };
    await tokens.get(ask);
    tokens.drop("k", "token-1");
    expect(await tokens.get(ask)).toBe("token-2");
    tokens.drop("k", "token-1");
    expect(await tokens.get(ask)).toBe("token-2");
  });

  test("are no more than a bound: what was used longest ago makes room", async () => {
    const tokens = new TokenCache();
    const fetch = issuer();
    for (let index = 0; index < limits.vendorTokensMax; index++) await tokens.get({ key: `k${index}`, fetch, signal });
    await tokens.get({ key: "k0", fetch, signal });
    await tokens.get({ key: "one more", fetch, signal });
    expect(fetch).toHaveBeenCalledTimes(limits.vendorTokensMax + 1);
    expect(await tokens.get({ key: "k0", fetch, signal })).toBe("token-1");
    expect(await tokens.get({ key: "k1", fetch, signal })).toBe(`token-${limits.vendorTokensMax + 2}`);
  });
});
