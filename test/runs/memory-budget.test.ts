import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { noteBytes } from "../../src/core/json-bytes.ts";
import { limits } from "../../src/core/limits.ts";
import type { Fact } from "../../src/runs/events.ts";
import { fold, type RunState, unstarted } from "../../src/runs/fold.ts";
import { birthBytes, HeldBytes, heldBytes } from "../../src/runs/held-bytes.ts";
import { MemoryBudget } from "../../src/runs/memory-budget.ts";

const mebibyte = 1024 * 1024;

/** Someone who holds so much of the budget. */
function holder(memory: MemoryBudget, total: number) {
  const one = { total };
  memory.enter(one);
  return one;
}

describe("what the runs of a node may hold", () => {
  test("is a part of V8's heap where nobody says how much", () => {
    expect(new MemoryBudget().room()).toBeGreaterThanOrEqual(limits.heldBytesMin / 2);
  });

  test("has room for further runs up to a half of it", () => {
    const memory = new MemoryBudget(100);
    holder(memory, 30);
    expect(memory.room()).toBe(20);
    const other = holder(memory, 30);
    expect(memory.room()).toBe(-10);
    memory.leave(other);
    expect([memory.room(), memory.heldBytes]).toEqual([20, 30]);
  });

  test("lets those that hold most leave beyond three quarters of it, and never the one that has been here longest", () => {
    const memory = new MemoryBudget(100);
    const [oldest, small, large] = [40, 1, 34].map((total) => holder(memory, total));
    const leaving = () => [oldest, small, large].map((one) => memory.isToLeave(one!, false));
    expect(leaving()).toEqual([false, false, false]);
    const last = holder(memory, 10);
    expect(leaving()).toEqual([false, false, true]);
    expect(memory.isToLeave(large!, true)).toBe(false);
    holder(memory, 16);
    expect(memory.isToLeave(large!, true)).toBe(true);
    memory.leave(oldest!);
    memory.leave(last);
    expect(memory.isToLeave(small!, false)).toBe(false);
  });

  test("takes one run that is larger than half of it, which then stays while others leave", () => {
    const memory = new MemoryBudget(100);
    const oldest = holder(memory, 20);
    expect(memory.hasRoomForLarge()).toBe(true);
    const large = holder(memory, 300);
    expect(memory.hasRoomForLarge()).toBe(false);
    expect(memory.isToLeave(large, true)).toBe(false);
    const other = holder(memory, 400);
    expect([memory.isToLeave(other, false), memory.isToLeave(oldest, false)]).toEqual([true, false]);
    memory.leave(other);
    memory.leave(large);
    expect(memory.hasRoomForLarge()).toBe(true);
  });

  test("has room for the results of executors at work, and for one unless somebody is about to leave", () => {
    const memory = new MemoryBudget(4 * limits.outputBytesMax);
    expect([0, 3, 4].map((atWork) => memory.hasRoomForResult(atWork))).toEqual([true, true, false]);
    holder(memory, 3 * limits.outputBytesMax);
    expect([0, 1].map((atWork) => memory.hasRoomForResult(atWork))).toEqual([true, false]);
    const other = holder(memory, 3 * limits.outputBytesMax);
    expect([0, 1].map((atWork) => memory.hasRoomForResult(atWork))).toEqual([true, false]);
    memory.go(other);
    expect(memory.hasRoomForResult(0)).toBe(false);
    memory.leave(other);
    expect(memory.hasRoomForResult(0)).toBe(true);
  });
});

describe("the bytes that a value takes", () => {
  test("are about those of its text, and more where it is of many small things", () => {
    const text = { text: "x".repeat(mebibyte) };
    expect(heldBytes(text)).toBeGreaterThan(mebibyte);
    expect(heldBytes(text)).toBeLessThan(1.01 * mebibyte);
    const hollow = Array.from({ length: 100_000 }, () => ({}));
    expect(heldBytes(hollow)).toBeGreaterThan(4_000_000);
  });

  test("are not looked for in what is small and was measured", () => {
    const value = { text: "x".repeat(10) };
    noteBytes(value, 1_000);
    expect(heldBytes(value)).toBe(4_000);
  });

  test("are found however deep it is", () => {
    let deep: Json = [];
    for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
    expect(heldBytes(deep)).toBeGreaterThan(4_000_000);
  });
});

/** One run that holds memory, told of its events as they come. */
class Story {
  readonly memory = new MemoryBudget(100 * mebibyte);
  readonly held = new HeldBytes(this.memory, { context: {} }, unstarted);
  readonly empty = this.held.total;
  run: RunState = unstarted;

  tell(fact: Fact & { readonly runAttempt?: number }): this {
    const { sequence, runAttempt } = this.run;
    const event = { at: 1, runAttempt, ...fact, sequence: sequence + 1 };
    this.run = fold(this.run, event);
    this.held.hear(event, this.run);
    return this;
  }

  step(status: "RUNNING" | "SUCCEEDED" | "FAILED", attempt: number, value?: Json): this {
    const body = status === "RUNNING" ? { input: value ?? null } : value === undefined ? {} : { output: value };
    return this.tell({ type: "STEP_STATUS", stepId: "a", attempt, status, ...body });
  }
}

const large = (): Json => ({ text: "x".repeat(mebibyte) });

describe("what a run holds", () => {
  test("is what its steps were given and came to, and of a step that is tried again the last of it", () => {
    const story = new Story().step("RUNNING", 1, large()).step("FAILED", 1, large());
    expect(story.held.total - story.empty).toBeGreaterThan(2 * mebibyte);
    story.step("RUNNING", 2, large()).step("FAILED", 2);
    expect(story.held.total - story.empty).toBeLessThan(1.1 * mebibyte);
    expect(story.memory.heldBytes).toBe(story.held.total);
  });

  test("is the same for who reads the run again", () => {
    const story = new Story().step("RUNNING", 1, large()).step("SUCCEEDED", 1, large());
    const again = new HeldBytes(new MemoryBudget(), { context: {} }, story.run);
    expect(again.total).toBe(story.held.total);
  });

  test("is nothing of an earlier attempt of the run, and nothing once it has left", () => {
    const story = new Story().step("RUNNING", 1, large()).step("FAILED", 1, large());
    story.tell({ type: "RUN_STATUS", status: "RUNNING", runAttempt: 2 });
    expect(story.held.total).toBe(story.empty);
    story.step("RUNNING", 1, large());
    story.held.leave();
    story.held.keepOutput("a", large());
    expect(story.memory.heldBytes).toBe(0);
  });

  test("is known of a rerun before it begins", () => {
    const takenOver = { type: "STEP_STATUS", stepId: "a", attempt: 1, status: "SUCCEEDED", output: large() } as const;
    const bytes = birthBytes({ context: {}, takenOver: [takenOver] });
    const story = new Story().tell(takenOver);
    expect(bytes).toBe(story.held.total);
  });

  test("is news for its row once it is a good deal more than the row says", () => {
    const story = new Story();
    story.held.note();
    expect(story.step("RUNNING", 1, { text: "x".repeat(limits.heldLagBytes / 2) }).held.isNews()).toBe(false);
    expect(story.step("SUCCEEDED", 1, { text: "x".repeat(limits.heldLagBytes / 2) }).held.isNews()).toBe(true);
    expect(story.held.note()).toBe(story.held.total);
    expect(story.held.isNews()).toBe(false);
  });
});
