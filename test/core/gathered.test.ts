import { describe, expect, test } from "vitest";
import { gathered } from "../../src/core/gathered.ts";
import { limits } from "../../src/core/limits.ts";

interface Asked {
  readonly key: string;
  readonly text: string;
}

/** Answers in capitals; refuses whatever holds a "bad". */
function capitals(mayBeOfOne: (error: unknown) => boolean = () => true) {
  const rounds: string[][] = [];
  const ask = gathered<Asked, string>({
    keyOf: ({ key }) => key,
    async together(items) {
      rounds.push(items.map(({ text }) => text));
      const bad = items.find(({ text }) => text.startsWith("bad"));
      if (bad) throw new Error(`${bad.text} is refused`);
      return items.map(({ text }) => text.toUpperCase());
    },
    mayBeOfOne,
  });
  return { rounds, ask: (text: string, key = "key") => ask({ key, text }) };
}

describe("work that is done together", () => {
  test("answers each its own, in one round for those of one turn", async () => {
    const { ask, rounds } = capitals();
    expect(await Promise.all([ask("a"), ask("b"), ask("c")])).toEqual(["A", "B", "C"]);
    expect(rounds).toEqual([["a", "b", "c"]]);
  });

  test("is done in several rounds for more than one may hold, and a round that fails is that one", async () => {
    const { ask, rounds } = capitals(() => false);
    const texts = Array.from({ length: 2 * limits.togetherMax + 1 }, (_, index) => (index === 0 ? "bad" : `${index}`));
    const all = await Promise.allSettled(texts.map((text) => ask(text)));
    expect(rounds.map(({ length }) => length)).toEqual([limits.togetherMax, limits.togetherMax, 1]);
    expect(all.filter(({ status }) => status === "rejected")).toHaveLength(limits.togetherMax);
    expect(all.at(-1)).toMatchObject({ value: texts.at(-1) });
  });

  test("is done apart for each key", async () => {
    const { ask, rounds } = capitals();
    expect(await Promise.all([ask("a", "x"), ask("b", "y"), ask("c", "x")])).toEqual(["A", "B", "C"]);
    expect(rounds.toSorted()).toEqual([["a", "c"], ["b"]]);
  });

  test("fails for the one that is refused, and is done for the others", async () => {
    const { ask, rounds } = capitals();
    const all = await Promise.allSettled([ask("a"), ask("bad one"), ask("c")]);
    expect(all).toMatchObject([{ value: "A" }, { reason: { message: "bad one is refused" } }, { value: "C" }]);
    expect(rounds).toEqual([["a", "bad one", "c"], ["a"], ["bad one"], ["c"]]);
  });

  test("is tried once where nobody knows whether it was done", async () => {
    const { ask, rounds } = capitals(() => false);
    const all = await Promise.allSettled([ask("a"), ask("bad one")]);
    expect(all).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
    expect(rounds).toHaveLength(1);
  });
});
