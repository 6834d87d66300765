import { describe, expect, test } from "vitest";
import { RegularLook } from "../../src/core/regular-look.ts";

describe("a regular look", () => {
  test("is followed by the next, never beside it", async () => {
    let [count, underWay, most] = [0, 0, 0];
    const { promise: third, resolve } = Promise.withResolvers<void>();
    const looks = new RegularLook(async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await undefined;
      underWay -= 1;
      count += 1;
      if (count === 3) resolve();
      return 0;
    });
    looks.start();
    await third;
    await looks.stop();
    expect(most).toBe(1);
  });

  test("that is under way is waited for when it is to stop, and none follows", async () => {
    const held = Promise.withResolvers<number>();
    let count = 0;
    const looks = new RegularLook(() => {
      count += 1;
      return held.promise;
    });
    looks.start();
    let isOver = false;
    const stopped = looks.stop().then(() => {
      isOver = true;
    });
    await new Promise(setImmediate);
    expect([looks.isStopped, isOver]).toEqual([true, false]);
    held.resolve(0);
    await stopped;
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(count).toBe(1);
  });
});
