import { describe, expect, test } from "vitest";
import { sliced, visitEach } from "../../src/core/sliced.ts";

function* counting(steps: number, onStep: () => void = () => undefined): Generator<void, number> {
  for (let step = 0; step < steps; step++) {
    onStep();
    yield;
  }
  return steps;
}

describe("sliced work", () => {
  test("answers at once where it is done in one slice", () => {
    expect(sliced(counting(1_000), 60_000)).toBe(1_000);
    expect(sliced(counting(0), 0)).toBe(0);
  });

  test("lets others have a turn after each slice, and answers the same", async () => {
    const order: string[] = [];
    setImmediate(() => order.push("other"));
    const answer = sliced(
      counting(3, () => order.push("step")),
      0,
    );
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toBe(3);
    expect(order).toEqual(["step", "other", "step", "step"]);
  });

  test("is done for many things one by one", async () => {
    const order: string[] = [];
    setImmediate(() => order.push("other"));
    await sliced(
      visitEach(["a", "b"], (item) => order.push(item)),
      0,
    );
    expect(order).toEqual(["a", "other", "b"]);
  });

  test("fails as its work does, at once or later", async () => {
    const failing = () =>
      counting(2, () => {
        throw new Error("broken");
      });
    expect(() => sliced(failing(), 0)).toThrow("broken");
    let steps = 0;
    const later = sliced(
      counting(2, () => {
        steps++;
        if (steps === 2) throw new Error("broken later");
      }),
      0,
    );
    await expect(later).rejects.toThrow("broken later");
  });
});
