import { describe, expect, test } from "vitest";
import { Turns } from "../../src/core/turns.ts";

/** Work that takes all of this turn. */
function spend(turns: Turns): void {
  while (!turns.isSpent());
}

describe("a turn of the event loop", () => {
  test("does all the work that comes while there is time in it", async () => {
    const order: string[] = [];
    const turns = new Turns(60_000);
    setImmediate(() => order.push("other"));
    await Promise.all(["a", "b"].map((name) => turns.take(() => order.push(name))));
    expect(order).toEqual(["a", "b"]);
  });

  test("leaves to later ones what comes when it is spent, and lets others have theirs in between", async () => {
    const order: string[] = [];
    const turns = new Turns(1);
    const heavy = (name: string) =>
      turns.take(() => {
        setImmediate(() => order.push(`after ${name}`));
        spend(turns);
        return order.push(name);
      });
    expect(await Promise.all(["a", "b", "c"].map(heavy))).toEqual([1, 3, 5]);
    expect(order).toEqual(["a", "after a", "b", "after b", "c"]);
  });

  test("fails as its work does", async () => {
    const turns = new Turns(1);
    spend(turns);
    await expect(turns.take(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  });
});
