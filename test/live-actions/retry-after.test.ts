import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { waitBeforeResend } from "../../src/live-actions/retry-after.ts";

const now = Date.UTC(2026, 10, 21, 12, 0, 0);
const inSeconds = (seconds: number) => new Date(now + seconds * 1000).toUTCString();
const epoch = (seconds: number) => String(now / 1000 + seconds);

describe("a refused request", () => {
  test.each<[number, Record<string, string>, number | undefined]>([
    [429, { "retry-after": "7" }, 7_000],
    [429, { "retry-after": " 0 " }, 0],
    [429, { "retry-after": inSeconds(9) }, 9_000],
    [429, { "retry-after": inSeconds(-9) }, 0],
    // The vendor's clock is a minute ahead, and it means ten seconds.
    [429, { "retry-after": inSeconds(70), date: inSeconds(60) }, 10_000],
    [429, { "retry-after": "Saturday, 21-Nov-26 12:00:05 GMT" }, 5_000],
    [429, { "x-rate-limit-reset": epoch(12) }, 12_000],
    [429, { "x-ratelimit-retryafter": epoch(3), date: inSeconds(1) }, 2_000],
    [429, { "x-rate-limit-reset": epoch(-4) }, 0],
    [429, { "retry-after": "2", "x-rate-limit-reset": epoch(50) }, 2_000],
    [503, { "retry-after": "4" }, 4_000],
    [503, {}, undefined],
    [503, { "x-rate-limit-reset": epoch(5) }, undefined],
    [500, { "retry-after": "1" }, undefined],
    [200, { "retry-after": "1" }, undefined],
  ])("of status %i with %j waits for %s ms", (status, headers, waitMs) => {
    expect(waitBeforeResend({ status, headers }, 0, now)).toBe(waitMs);
  });

  test.each(["soon", "-5", "1.5", "1e9", "", "2026-11-21"])("waits longer each time where %j is no date", (text) => {
    const waits = [0, 1, 2].map((resends) =>
      waitBeforeResend({ status: 429, headers: { "retry-after": text } }, resends, now),
    );
    expect(waits).toEqual([1, 2, 4].map((factor) => factor * limits.vendorRetryMs));
  });
});
