import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PlanDelayStep, PlanParallelStep } from "../../src/playbooks/plan.ts";
import { EngineWorld, problemsOf, stepsOf, untilStopped } from "./engine-world.ts";
import { actionStep, planOf } from "./walk-driver.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;
const fork = { ...common, type: "PARALLEL", id: "fork", name: "fork", join: "ALL" } as const;
const branches = ["left", "later"];
const plan = planOf([
  { ...fork, branches } satisfies PlanParallelStep,
  actionStep("left", { parallel: "fork" }),
  {
    ...common,
    type: "DELAY",
    id: "later",
    name: "later",
    durationMs: 60_000,
    parallel: "fork",
  } satisfies PlanDelayStep,
]);

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

test("a run that hears of two cancels at once ends each of its steps once", async () => {
  const engine = await world.engine(untilStopped);
  const birth = world.birth(plan);
  await engine.begin(birth);
  await world.until(async () => (await world.state(birth.id)).steps.get("left")?.status === "RUNNING");
  await world.signalCancel(birth.id, "one");
  await world.signalCancel(birth.id, "two");
  await engine.hint([birth.id]);
  await world.ended(birth.id);
  expect(await problemsOf(world, birth.id)).toEqual([]);
  const ends = stepsOf(await world.events(birth.id)).filter((word) => word.endsWith("CANCELLED"));
  expect(ends.toSorted()).toEqual(["fork.1 CANCELLED", "later.1 CANCELLED", "left.1 CANCELLED"]);
});

test("a run that is cancelled while it is being born does not begin what it has prepared", async () => {
  let isPrepared = false;
  const variables = async () => {
    isPrepared = true;
    return {};
  };
  const engine = await world.engine(untilStopped, { steps: { variables } });
  const birth = world.birth(planOf([actionStep("only")]));
  const holder = await world.pool.connect();
  await holder.query("begin");
  await holder.query("select from node for update");
  const begun = engine.begin(birth);
  await world.until(() => isPrepared);
  await world.signalCancel(birth.id);
  await engine.hint([birth.id]);
  await holder.query("commit");
  holder.release();
  expect(await begun).toBe("written");
  await world.ended(birth.id);
  expect(await problemsOf(world, birth.id)).toEqual([]);
  expect(await world.head(birth.id)).toMatchObject({ status: "CANCELLED" });
});
