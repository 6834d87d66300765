import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import type { Attempt } from "../../src/executors/executor.ts";
import { EngineWorld, type Execute, single } from "./engine-world.ts";

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

const text = "x".repeat(limits.logLineBytesMax);
const linesMax = Math.ceil(limits.journalWaitingBytesMax / text.length);
const succeeded = { status: "SUCCEEDED", output: null } as const;

/** Says lines until there is no room for more. @returns How many that were. */
function fill({ onLog, logRoom }: Attempt): number {
  for (let count = 1; ; count += 1) {
    onLog("STDERR", text);
    if (count > linesMax || logRoom?.()) return count;
  }
}

describe("what a script says", () => {
  test("is held back where it comes faster than it is written, and is all there in the end", async () => {
    const counts: number[] = [];
    const execute: Execute = async ({ attempt }) => {
      for (let round = 0; round < 3; round += 1) {
        counts.push(fill(attempt));
        await attempt.logRoom?.();
      }
      return succeeded;
    };
    const engine = await world.engine(execute);
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(Math.max(...counts)).toBeLessThanOrEqual(linesMax);
    const lines = (await world.events(birth.id)).filter(({ type }) => type === "LOG");
    expect(lines).toHaveLength(counts.reduce((sum, count) => sum + count, 0));
  });

  test("goes on for everybody who waited, though most of them say nothing more", async () => {
    const held: boolean[] = [];
    const execute: Execute = async ({ stepId, attempt }) => {
      if (stepId === "only") fill(attempt);
      const waiting = Array.from({ length: 500 }, () => attempt.logRoom?.());
      held.push(...waiting.map((room) => room !== undefined));
      await Promise.all(waiting);
      return succeeded;
    };
    const engine = await world.engine(execute);
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(held).toEqual(held.map(() => true));
    expect(await world.head(birth.id)).toMatchObject({ status: "SUCCEEDED" });
  });

  test("is waited for by nobody any more where its node may not write", async () => {
    const given = Promise.withResolvers<void>();
    const execute: Execute = async ({ attempt }) => {
      const other = await world.pool.connect();
      await other.query("begin");
      await other.query("update node set epoch = epoch + 1");
      // The first are under way, and wait for the node's row; the others wait for them.
      fill(attempt);
      await attempt.logRoom?.();
      fill(attempt);
      const room = attempt.logRoom?.();
      await other.query("commit");
      other.release();
      await room;
      if (room !== undefined) given.resolve();
      return succeeded;
    };
    const engine = await world.engine(execute);
    await engine.begin(world.birth(single));
    await given.promise;
  });
});
