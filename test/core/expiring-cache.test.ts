import { describe, expect, test } from "vitest";
import { createExpiringCache } from "../../src/core/expiring-cache.ts";

/** A cache whose loads end when a test says so. */
function cacheOf() {
  const loads: ((value: string) => void)[] = [];
  const load = () => new Promise<string>((resolve) => loads.push(resolve));
  return { loads, cache: createExpiringCache({ load, ttlMs: 60_000, entriesMax: 10 }) };
}

describe("an entry that is forgotten while it is loaded", () => {
  test("is not kept", async () => {
    const { loads, cache } = cacheOf();
    const first = cache.get("a");
    cache.forget("a");
    loads[0]?.("before");
    expect(await first).toBe("before");
    const second = cache.get("a");
    loads[1]?.("after");
    expect(await second).toBe("after");
  });

  test("is not kept either where it is asked for again before that load has ended", async () => {
    const { loads, cache } = cacheOf();
    const first = cache.get("a");
    cache.forget("a");
    const second = cache.get("a");
    loads[0]?.("before");
    expect(await first).toBe("before");
    const third = cache.get("a");
    loads[1]?.("after");
    expect(await Promise.all([second, third])).toEqual(["after", "after"]);
    expect(cache.get("a")).toBe("after");
    expect(loads).toHaveLength(2);
  });
});
