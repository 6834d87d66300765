import type { ExecutionResult } from "graphql";
import { afterEach, describe, expect, test } from "vitest";
import { type StreamWatch, watchStreams } from "../../src/graphql/stream-watch.ts";

let watch: StreamWatch;
afterEach(() => watch.stop());

/** Yields as often as it is asked. */
function ticking() {
  const state = { asked: 0, isEnded: false };
  const results: AsyncIterableIterator<ExecutionResult> = {
    [Symbol.asyncIterator]: () => results,
    next: async () => ({ done: false, value: { data: { tick: state.asked++ } } }),
    return: async () => {
      state.isEnded = true;
      return { done: true, value: undefined };
    },
  };
  return { state, results };
}

const codeOf = (result: IteratorResult<ExecutionResult>) => result.value?.errors?.[0]?.extensions["code"];

describe("a stream whose token has ended", () => {
  test("ends its source though nobody reads it, and whoever reads on is told nothing but that", async () => {
    const valid = new Set(["a", "b"]);
    watch = watchStreams(async (authorization) => valid.has(authorization), 5);
    const [mine, other] = [ticking(), ticking()];
    const stalled = watch.guard({ authorization: "a" }, mine.results);
    const reading = watch.guard({ authorization: "b" }, other.results);
    await stalled.next();
    valid.delete("a");
    await expect.poll(() => mine.state.isEnded).toBe(true);
    expect(codeOf(await stalled.next())).toBe("UNAUTHENTICATED");
    expect(await stalled.next()).toEqual({ done: true, value: undefined });
    expect(mine.state.asked).toBe(1);
    expect(await reading.next()).toEqual({ done: false, value: { data: { tick: 0 } } });
  });

  test("ends though another token's answer does not come", async () => {
    const valid = new Set(["a"]);
    watch = watchStreams(
      (authorization) =>
        authorization === "stuck" ? new Promise(() => undefined) : Promise.resolve(valid.has(authorization)),
      5,
    );
    const [stuck, mine] = [ticking(), ticking()];
    watch.guard({ authorization: "stuck" }, stuck.results);
    watch.guard({ authorization: "a" }, mine.results);
    valid.delete("a");
    await expect.poll(() => mine.state.isEnded).toBe(true);
    expect(stuck.state.isEnded).toBe(false);
  });
});

describe("a stream whose token nobody can answer for", () => {
  test("stays open until somebody can", async () => {
    let asked = 0;
    let isAway = true;
    watch = watchStreams(async () => {
      asked += 1;
      if (isAway) throw new Error("The database is away.");
      return false;
    }, 5);
    const { state, results } = ticking();
    const stream = watch.guard({ authorization: "a" }, results);
    await expect.poll(() => asked).toBeGreaterThan(2);
    expect(codeOf(await stream.next())).toBeUndefined();
    expect(state.isEnded).toBe(false);
    isAway = false;
    await expect.poll(() => state.isEnded).toBe(true);
  });
});

describe("what is watched", () => {
  test("is no more once it is left, and costs no more questions then", async () => {
    const asked = new Set<string>();
    watch = watchStreams(async (authorization) => asked.add(authorization).has(authorization), 5);
    let ended = 0;
    const unwatch = watch.whenEnded("a", () => ended++);
    const left = watch.guard({ authorization: "b" }, ticking().results);
    await expect.poll(() => asked.has("a") && asked.has("b")).toBe(true);
    unwatch();
    await left.return?.();
    asked.clear();
    watch.whenEnded("c", () => ended++);
    await expect.poll(() => asked.has("c")).toBe(true);
    expect([[...asked], ended]).toEqual([["c"], 0]);
  });
});
