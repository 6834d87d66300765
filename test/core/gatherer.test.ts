import { describe, expect, test } from "vitest";
import { createGatherer } from "../../src/core/gatherer.ts";
import { limits } from "../../src/core/limits.ts";

/** Answers nobody until it is told to. */
function gated(waitMs?: number, besideMax?: number) {
  const rounds: { readonly members: readonly string[]; readonly end: () => void }[] = [];
  const gatherer = createGatherer<string>(
    (members) => new Promise<void>((end) => void rounds.push({ members, end })),
    waitMs,
    besideMax,
  );
  const begun = (count: number) => expect.poll(() => rounds.length).toBe(count);
  return { ...gatherer, rounds, begun, members: () => rounds.map(({ members }) => members) };
}

const never = 1_000_000;

describe("who asks the same thing", () => {
  test("in one turn is served together", async () => {
    const { gather, begun, members } = gated(never);
    for (const name of ["a", "b", "c"]) expect(gather("key", name)).toBe(true);
    await begun(1);
    expect(members()).toEqual([["a", "b", "c"]]);
  });

  test("while it is under way waits for the next, which begins when that has ended", async () => {
    const { gather, rounds, begun, members } = gated(never);
    gather("key", "a");
    await begun(1);
    gather("key", "b");
    gather("key", "c");
    await new Promise(setImmediate);
    expect(members()).toEqual([["a"]]);
    rounds[0]?.end();
    await begun(2);
    expect(members()).toEqual([["a"], ["b", "c"]]);
  });

  test("does not wait for longer than the bound", async () => {
    const { gather, begun, members } = gated(1);
    gather("key", "a");
    await begun(1);
    gather("key", "b");
    await begun(2);
    expect(members()).toEqual([["a"], ["b"]]);
  });

  test("waits all the same where as many are under way as may be, and is served when one of them has ended", async () => {
    const { gather, rounds, begun, members } = gated(1, 2);
    for (const [index, name] of ["a", "b"].entries()) {
      gather("key", name);
      await begun(index + 1);
    }
    gather("key", "c");
    gather("other", "d");
    await begun(3);
    // Timers fire in the order of their ends: what waits for "c" has fired by then.
    await new Promise((resolve) => setTimeout(resolve, 2));
    gather("key", "e");
    expect(members()).toEqual([["a"], ["b"], ["d"]]);
    rounds[1]?.end();
    await begun(4);
    expect(members()[3]).toEqual(["c", "e"]);
  });

  test("again, after everybody was served, is served at once", async () => {
    const { gather, rounds, begun, members } = gated(never);
    gather("key", "a");
    await begun(1);
    rounds[0]?.end();
    await new Promise(setImmediate);
    gather("key", "b");
    await begun(2);
    expect(members()).toEqual([["a"], ["b"]]);
  });

  test("is not kept up by who asks something else", async () => {
    const { gather, begun, members } = gated(never);
    gather("one", "a");
    gather("other", "b");
    await begun(2);
    expect(members()).toEqual([["a"], ["b"]]);
  });
});

describe("what gathers", () => {
  test("is bounded in those who wait for one answer", async () => {
    const { gather, begun } = gated(never);
    for (let n = 0; n < limits.gatheredMax; n += 1) gather("key", "a");
    expect(gather("key", "one too many")).toBe(false);
    await begun(1);
    expect(gather("key", "b")).toBe(true);
  });

  test("is bounded in different keys, and forgets those that are served", async () => {
    const { gather, rounds, begun } = gated(never);
    for (let n = 0; n < limits.gatherKeysMax; n += 1) gather(`key ${n}`, "a");
    expect(gather("one too many", "a")).toBe(false);
    expect(gather("key 0", "b")).toBe(true);
    await begun(limits.gatherKeysMax);
    rounds.at(-1)?.end();
    await new Promise(setImmediate);
    expect(gather("one too many", "a")).toBe(true);
  });
});
