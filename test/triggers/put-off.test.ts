import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { PutOff } from "../../src/triggers/put-off.ts";

describe("an event that could not be dispatched", () => {
  test("is left alone twice as long after each failure, up to a bound", () => {
    const putOff = new PutOff();
    const waits: number[] = [];
    for (let count = 0; count < 10; count += 1) {
      putOff.add("a", 0);
      let wait = limits.sweepMs;
      while (!putOff.isDue("a", wait)) wait += limits.sweepMs;
      waits.push(wait / limits.sweepMs);
    }
    const longest = limits.dispatchRetryMsMax / limits.sweepMs;
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, longest, longest, longest, longest]);
  });

  test("is due at once when it was never tried, or is over", () => {
    const putOff = new PutOff();
    expect(putOff.isDue("a", 0)).toBe(true);
    putOff.add("a", 0);
    putOff.delete("a");
    expect(putOff.isDue("a", 0)).toBe(true);
  });

  test("is remembered with so many others; the one that failed longest ago is forgotten first", () => {
    const putOff = new PutOff();
    const names = Array.from({ length: limits.dispatchFailuresKeptMax + 1 }, (_, index) => `event ${index}`);
    for (const name of names) putOff.add(name, 0);
    expect(names.filter((name) => putOff.isDue(name, 1))).toEqual(["event 0"]);
  });
});
