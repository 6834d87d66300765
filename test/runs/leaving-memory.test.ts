import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { MemoryBudget } from "../../src/runs/memory-budget.ts";
import { EngineWorld, type Execute, echo, failed, problemsOf, stepsOf } from "./engine-world.ts";
import { actionStep, delayStep, parallelSteps, planOf } from "./walk-driver.ts";

const mebibyte = 1024 * 1024;

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

/** A budget of which others, each with a little, hold what the test says. */
class SharedBudget extends MemoryBudget {
  readonly #others = Array.from({ length: 100 }, () => ({ total: 0 }));

  constructor(bytesMax: number) {
    super(bytesMax);
    for (const other of this.#others) this.enter(other);
  }

  /** The others hold so much now. */
  occupy(bytes: number): void {
    for (const other of this.#others) {
      const total = bytes / this.#others.length;
      this.change(total - other.total);
      other.total = total;
    }
  }
}

const codesOf = async (runId: string) =>
  (await world.events(runId)).flatMap((event) => (event.type === "NOTICE" ? [event.code] : []));

/** What a run holds that is to leave before smaller ones. */
const context = { text: "x".repeat(5 * mebibyte) };

describe("a run that is to leave memory", () => {
  test("waits for what is under way of it, and starts what it has left alone where there is room again by then", async () => {
    const memory = new SharedBudget(20 * mebibyte);
    const gates = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() };
    let calls = 0;
    const execute: Execute = async (call) => {
      await gates[call.stepId as "a" | "b"].promise;
      if (call.stepId === "b") return echo(call);
      calls += 1;
      return calls === 1 ? failed : echo(call);
    };
    const engine = await world.engine(execute, { memory });
    const birth = world.birth(planOf(parallelSteps("fork", [actionStep("a", { maxRetries: 1 }), actionStep("b")])), {
      context,
    });
    await engine.begin(birth);
    await world.until(async () => stepsOf(await world.events(birth.id)).includes("b.1 RUNNING"));
    memory.occupy(18 * mebibyte);
    gates.a.resolve();
    await world.until(async () => stepsOf(await world.events(birth.id)).includes("a.2 WAITING"));
    // What has fallen due meanwhile is left alone.
    await world.signalNotice(birth.id, "told_meanwhile");
    await engine.hint([birth.id]);
    await world.until(async () => (await codesOf(birth.id)).includes("told_meanwhile"));
    expect(calls).toBe(1);
    memory.occupy(0);
    gates.b.resolve();
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id))).toContain("a.2 SUCCEEDED");
    expect(await codesOf(birth.id)).toEqual(["told_meanwhile"]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("leaves once nothing of it is under way, and another node goes on", async () => {
    const memory = new SharedBudget(20 * mebibyte);
    const gate = Promise.withResolvers<void>();
    const engine = await world.engine(
      async (call) => {
        await gate.promise;
        return echo(call);
      },
      { memory },
    );
    const birth = world.birth(planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]), { context });
    await engine.begin(birth);
    await world.until(async () => stepsOf(await world.events(birth.id)).includes("a.1 RUNNING"));
    memory.occupy(18 * mebibyte);
    gate.resolve();
    await world.until(() => engine.residentCount() === 0);
    expect(await world.head(birth.id)).toMatchObject({ status: "RUNNING", ownerId: null });
    expect(stepsOf(await world.events(birth.id))).toEqual(["a.1 RUNNING", "a.1 SUCCEEDED"]);
    expect(await codesOf(birth.id)).toEqual(["memory_short"]);
    await world.engine(echo);
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id)).slice(2)).toEqual(["b.1 RUNNING", "b.1 SUCCEEDED"]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("waits out of memory, however short its delay is", async () => {
    const memory = new SharedBudget(20 * mebibyte);
    const engine = await world.engine(
      (call) => {
        memory.occupy(18 * mebibyte);
        return echo(call);
      },
      { memory },
    );
    const delay = delayStep("d", { durationMs: limits.parkAfterMs / 10 });
    const birth = world.birth(planOf([actionStep("a", { onSuccess: "d" }), delay]), { context });
    await engine.begin(birth);
    await world.until(async () => (await world.head(birth.id))?.ownerId === null);
    expect(stepsOf(await world.events(birth.id))).toEqual(["a.1 RUNNING", "a.1 SUCCEEDED"]);
    memory.occupy(0);
    await engine.wake();
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id)).slice(2)).toEqual(["d.1 WAITING", "d.1 SUCCEEDED"]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });
});
