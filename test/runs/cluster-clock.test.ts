import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { ClusterClock } from "../../src/runs/cluster-clock.ts";

const hourMs = 3_600_000;

describe("the clock of the cluster", () => {
  test("is the database's, whatever this machine's says", () => {
    const clock = new ClusterClock();
    const asked = performance.now();
    const databaseMs = Date.now() + hourMs;
    const movedMs = clock.hear(databaseMs, asked, asked);
    expect(Math.abs(movedMs - hourMs)).toBeLessThan(limits.clockToleranceMs);
    expect(clock.now()).toBeGreaterThanOrEqual(Math.floor(databaseMs));
  });

  test("is left alone where the difference is no more than the answer's way may explain", () => {
    const clock = new ClusterClock();
    const asked = performance.now();
    expect(clock.hear(clock.now() + limits.clockToleranceMs / 2, asked, performance.now())).toBe(0);
    expect(clock.hear(clock.now() + 2_000, asked, asked + 4_500)).toBe(0);
  });
});
