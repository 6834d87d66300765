import { describe, expect, test } from "vitest";
import { isZombie, statusOf } from "../../src/core/process-status.ts";

/** A line of /proc/PID/stat, as Linux 6.18 shows it of a killed Node. */
const lineOf = (state: string, threads: number) =>
  `4711 (a) Z 1 (b) ${state} 4700 4711 4690 0 -1 4227148 9015 0 0 0 21 9 0 0 20 0 ${threads} 0 3935121 0 0 18446744073709551615`;

describe("the status of a process", () => {
  test("is read behind its command, whatever that holds", () => {
    expect(statusOf(lineOf("S", 11))).toEqual({ state: "S", group: 4711, threads: 11, start: "3935121" });
  });

  test.each([
    ["that has ended", "Z", 1, true],
    ["that is taken away", "X", 0, true],
    ["whose first thread has ended, and no other", "Z", 7, false],
    ["that sleeps", "S", 1, false],
  ])("tells of one %s whether anything of it is left to end", (_, state, threads, isEnded) => {
    expect(isZombie(statusOf(lineOf(state, threads)))).toBe(isEnded);
  });
});
