import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Outcome } from "../../src/executors/executor.ts";
import type { Plan } from "../../src/playbooks/plan.ts";
import { MemoryBudget } from "../../src/runs/memory-budget.ts";
import { type Call, EngineWorld, problemsOf, stepsOf, untilStopped } from "./engine-world.ts";
import { actionStep, parallelSteps, planOf } from "./walk-driver.ts";

const mebibyte = 1024 * 1024;

/** A budget that remembers the most that was held of it. */
class WatchedBudget extends MemoryBudget {
  peakBytes = 0;

  override change(bytes: number): void {
    super.change(bytes);
    this.peakBytes = Math.max(this.peakBytes, this.heldBytes);
  }
}

/** A step's output: about a mebibyte. */
const outputBytes = mebibyte - 100;
const large = (): Outcome => ({ status: "SUCCEEDED", output: { text: "x".repeat(outputBytes) } });
/** Steps that each come to a large output. */
const lineOf = (count: number): Plan =>
  planOf(
    Array.from({ length: count }, (_, index) =>
      actionStep(`s${index}`, index + 1 < count ? { onSuccess: `s${index + 1}` } : {}),
    ),
  );

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

async function leftMemory(runId: string): Promise<boolean> {
  return (await world.events(runId)).some((event) => event.type === "NOTICE" && event.code === "memory_short");
}

/** Every step was executed once and came to what it is. */
async function expectWhole(runId: string, steps: number): Promise<void> {
  expect(await problemsOf(world, runId)).toEqual([]);
  const { status, steps: known } = await world.state(runId);
  expect(status).toBe("SUCCEEDED");
  const outputs = [...known.values()].filter(
    ({ output }) => (output as { text?: string })?.text?.length === outputBytes,
  );
  expect(outputs).toHaveLength(steps);
  expect(outputs.map(({ attempt }) => attempt)).toEqual(outputs.map(() => 1));
}

describe("runs that hold more than a node has memory for", () => {
  test("leave memory between their steps, and all end as they would have", { timeout: 60_000 }, async () => {
    const memory = new WatchedBudget(12 * mebibyte);
    const engine = await world.engine(large, { memory });
    const births = Array.from({ length: 16 }, () => world.birth(lineOf(6)));
    await Promise.all(births.map((birth) => engine.begin(birth)));
    await world.ended(...births.map(({ id }) => id));
    for (const { id } of births) await expectWhole(id, 6);
    expect(memory.peakBytes).toBeGreaterThan(6 * mebibyte);
    expect(memory.peakBytes).toBeLessThan((12 + 6.5) * mebibyte);
    const left = await Promise.all(births.map(({ id }) => leftMemory(id)));
    expect(left).toContain(true);
    await world.until(() => engine.residentCount() === 0);
    expect(memory.heldBytes).toBe(0);
  });

  test("end also where their branches end at once", { timeout: 60_000 }, async () => {
    const memory = new WatchedBudget(8 * mebibyte);
    const engine = await world.engine(large, { memory });
    const branches = Array.from({ length: 8 }, (_, index) => actionStep(`b${index}`));
    const plan = planOf(parallelSteps("fork", branches));
    const births = Array.from({ length: 8 }, () => world.birth(plan));
    await Promise.all(births.map((birth) => engine.begin(birth)));
    await world.ended(...births.map(({ id }) => id));
    for (const { id } of births) await expectWhole(id, 8);
    expect(memory.peakBytes).toBeLessThan((8 + 8.5) * mebibyte);
  });

  test("are taken up a few at a time after a restart, and by two nodes", { timeout: 60_000 }, async () => {
    const gate = Promise.withResolvers<void>();
    const isLast = ({ stepId }: Call) => stepId === "s4";
    const first = await world.engine(async (call) => {
      if (isLast(call)) await gate.promise;
      return large();
    });
    const births = Array.from({ length: 12 }, () => world.birth(lineOf(6)));
    await Promise.all(births.map((birth) => first.begin(birth)));
    const atGate = "select from run_event where step_id = 's4' and label = 'RUNNING'";
    await world.until(async () => (await world.pool.query(atGate)).rowCount === births.length);
    // A node that stops lets a sweep that is under way end first, and the runs would go on meanwhile.
    await first.wake();
    const stopped = first.stop();
    gate.resolve();
    await stopped;
    const { rows } = await world.pool.query("select min(held_bytes)::int as least from run where finished_at is null");
    expect(rows[0].least).toBeGreaterThan(4 * mebibyte);
    const budgets = [new WatchedBudget(14 * mebibyte), new WatchedBudget(14 * mebibyte)];
    await Promise.all(budgets.map((memory) => world.engine(large, { memory })));
    await world.ended(...births.map(({ id }) => id));
    for (const { id } of births) await expectWhole(id, 6);
    for (const { peakBytes } of budgets) expect(peakBytes).toBeLessThan((14 + 6.5) * mebibyte);
  });

  test("are taken up where an older version of the server has left them", { timeout: 60_000 }, async () => {
    const births = Array.from({ length: 6 }, () => world.birth(lineOf(2)));
    for (const birth of births) await world.leaveFree(birth);
    const memory = new WatchedBudget(4 * mebibyte);
    await world.engine(large, { memory });
    await world.ended(...births.map(({ id }) => id));
    for (const { id } of births) await expectWhole(id, 2);
    expect(memory.peakBytes).toBeLessThan(7 * mebibyte);
  });
});

describe("a run that is larger than a node has memory for", () => {
  test("goes on to its end, and so do the others", { timeout: 60_000 }, async () => {
    const memory = new WatchedBudget(3 * mebibyte);
    const engine = await world.engine(large, { memory });
    const births = [world.birth(lineOf(9)), ...Array.from({ length: 4 }, () => world.birth(lineOf(2)))];
    await Promise.all(births.map((birth) => engine.begin(birth)));
    await world.ended(...births.map(({ id }) => id));
    for (const [index, { id }] of births.entries()) await expectWhole(id, index === 0 ? 9 : 2);
    expect(memory.peakBytes).toBeLessThan((3 + 9.5) * mebibyte);
  });
});

describe("beside runs that fill a node's memory", () => {
  /** A node whose memory is used up by one run that stays at its last step. */
  async function fullNode(mebibytes = 3) {
    const memory = new MemoryBudget(mebibytes * mebibyte);
    const engine = await world.engine((call) => (call.stepId === "s2" ? untilStopped(call) : large()), { memory });
    const filling = world.birth(lineOf(3));
    await engine.begin(filling);
    await world.until(async () => stepsOf(await world.events(filling.id)).includes("s2.1 RUNNING"));
    return { engine, memory, filling };
  }

  /** A run that waits for a node, of which its row says what it holds. */
  async function leaveFree(bytes: number, at: Date): Promise<string> {
    const birth = world.birth(lineOf(1));
    await world.leaveFree(birth, at);
    await world.pool.query("update run set held_bytes = $1 where id = $2", [bytes, birth.id]);
    return birth.id;
  }

  test("a new run waits, and begins when there is room", async () => {
    const { engine, filling } = await fullNode();
    const waiting = world.birth(lineOf(1));
    expect(await engine.begin(waiting)).toBe("written");
    await engine.wake();
    expect(await world.head(waiting.id)).toMatchObject({ status: "QUEUED", ownerId: null });
    await world.signalCancel(filling.id);
    await engine.hint([filling.id]);
    await world.ended(filling.id, waiting.id);
    await expectWhole(waiting.id, 1);
  });

  test("a run that there is no room for is not in the way of smaller ones for long", { timeout: 60_000 }, async () => {
    const { engine, filling } = await fullNode(8);
    const inTheWay = await leaveFree(7 * mebibyte, new Date(Date.now() - 60_000));
    const small = await Promise.all(Array.from({ length: 3 }, () => leaveFree(10_000, new Date())));
    await engine.wake();
    await world.ended(...small);
    expect(await world.head(inTheWay)).toMatchObject({ status: "QUEUED", ownerId: null });
    expect(await world.head(filling.id)).toMatchObject({ status: "RUNNING" });
    await world.signalCancel(filling.id);
    await engine.hint([filling.id]);
    await world.ended(filling.id, inTheWay);
  });

  test("runs that wait for room can be cancelled, and others go on elsewhere", async () => {
    const { engine, filling } = await fullNode();
    const births = Array.from({ length: 3 }, () => world.birth(lineOf(1)));
    for (const birth of births) await engine.begin(birth);
    for (const { id } of births.slice(1)) await world.signalCancel(id);
    await engine.hint(births.slice(1).map(({ id }) => id));
    await world.ended(...births.slice(1).map(({ id }) => id));
    for (const { id } of births.slice(1)) expect(await world.head(id)).toMatchObject({ status: "CANCELLED" });
    expect(await world.head(births[0]!.id)).toMatchObject({ status: "QUEUED", ownerId: null });
    expect(await world.head(filling.id)).toMatchObject({ status: "RUNNING" });
    await world.engine(large);
    await world.ended(births[0]!.id);
    await expectWhole(births[0]!.id, 1);
    await world.signalCancel(filling.id);
    await engine.hint([filling.id]);
    await world.ended(filling.id);
  });
});
