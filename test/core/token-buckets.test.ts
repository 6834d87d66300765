import { describe, expect, test } from "vitest";
import { createTokenBuckets } from "../../src/core/token-buckets.ts";

function bucketsOf(keysMax = 10) {
  const time = { ms: 0 };
  return { time, buckets: createTokenBuckets({ perMinute: 60, burst: 3, keysMax, now: () => time.ms }) };
}

describe("token buckets", () => {
  test("let a burst through at once, and then so many in a minute, saying how long to wait", () => {
    const { buckets, time } = bucketsOf();
    expect([1, 2, 3, 4].map(() => buckets.take("a"))).toEqual([0, 0, 0, 1_000]);
    time.ms = 999;
    expect(buckets.take("a")).toBe(1);
    time.ms = 1_000;
    expect([buckets.take("a"), buckets.take("a")]).toEqual([0, 1_000]);
  });

  test("never hold more than the burst", () => {
    const { buckets, time } = bucketsOf();
    buckets.take("a");
    time.ms = 3_600_000;
    expect([1, 2, 3, 4].map(() => buckets.take("a"))).toEqual([0, 0, 0, 1_000]);
  });

  test("keep their keys apart, and say what would be without taking any", () => {
    const { buckets } = bucketsOf();
    for (let taken = 0; taken < 3; taken++) buckets.take("a");
    expect([buckets.waitMs("a"), buckets.waitMs("b"), buckets.waitMs("b")]).toEqual([1_000, 0, 0]);
    expect([1, 2, 3, 4].map(() => buckets.take("b"))).toEqual([0, 0, 0, 1_000]);
  });

  test("forget the key that was not used for longest when there are too many", () => {
    const { buckets } = bucketsOf(2);
    for (const key of ["a", "a", "a", "b", "b", "b"]) buckets.take(key);
    expect([buckets.take("a"), buckets.take("b")]).toEqual([1_000, 1_000]);
    buckets.take("c");
    expect([buckets.waitMs("a"), buckets.waitMs("b")]).toEqual([0, 1_000]);
  });
});
