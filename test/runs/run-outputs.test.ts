import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { limits } from "../../src/core/limits.ts";
import type { Outcome } from "../../src/executors/executor.ts";
import { catalogueOf, definitionOf, type EngineOptions, EngineWorld, echo, problemsOf } from "./engine-world.ts";
import { actionStep, parallelSteps, planOf } from "./walk-driver.ts";

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

interface Branches extends Partial<EngineOptions> {
  readonly large: ActionDefinition;
  readonly dryRun?: boolean;
}

/** So many branches that call the same action, as they ended. */
async function endedBranches(count: number, { large, dryRun = false, execute = echo, steps = {} }: Branches) {
  const branches = Array.from({ length: count }, (_, index) => actionStep(`large-${index}`, { actionId: "large" }));
  const engine = await world.engine(execute, { steps: { actions: catalogueOf({ large }), ...steps } });
  const birth = world.birth(planOf(parallelSteps("fork", branches)), { dryRun });
  await engine.begin(birth);
  await world.ended(birth.id);
  expect(await problemsOf(world, birth.id)).toEqual([]);
  const state = await world.state(birth.id);
  return branches.map(({ id }) => state.steps.get(id));
}

function definitionWith(bytes: number, headers: Record<string, string> = {}): ActionDefinition {
  const { executor } = definitionOf("large");
  const value = { name: "value", type: "string", default: "x".repeat(bytes) } as const;
  return definitionOf("large", { parameters: [value], executor: { ...executor, headers } });
}

describe("the outputs of branches that end at once", () => {
  test("are bounded together, as those of steps one after the other", async () => {
    const most = limits.runOutputBytesMax / limits.outputBytesMax;
    const count = most + 4;
    const everybody = Promise.withResolvers<void>();
    let atWork = 0;
    const execute = async (): Promise<Outcome> => {
      if (++atWork === count) everybody.resolve();
      await everybody.promise;
      return { status: "SUCCEEDED", output: { text: "x".repeat(limits.outputBytesMax - 11) } };
    };
    const ended = await endedBranches(count, { large: definitionWith(1), execute });
    expect(ended.filter((step) => step?.output !== undefined)).toHaveLength(most);
    expect(ended.filter((step) => step?.error?.code === "output_too_large")).toHaveLength(count - most);
  });

  test("are bounded together in a dry run", async () => {
    const headers = Object.fromEntries(["A", "B", "C", "D", "E"].map((name) => [`X-${name}`, "h".repeat(8_000)]));
    const ended = await endedBranches(33, { large: definitionWith(500_000, headers), dryRun: true });
    const whole = ended.filter((step) => step?.output !== undefined && "request" in (step.output as object));
    const bytes = Buffer.byteLength(JSON.stringify(whole[0]?.output));
    expect(whole).toHaveLength(Math.floor(limits.runOutputBytesMax / bytes));
    expect(whole.length).toBeLessThan(ended.length);
    expect(ended.every((step) => step?.status === "SIMULATED")).toBe(true);
  });
});

describe("the arguments of branches that start at once", () => {
  test.each([
    ["known at once", false],
    ["that all wait for the same answer", true],
  ])("are bounded together: of branches %s", async (_what, isSlow) => {
    const count = 40;
    const variables = () => (isSlow ? new Promise<Record<string, string>>((resolve) => setImmediate(resolve, {})) : {});
    const ended = await endedBranches(count, { large: definitionWith(1_000_000), steps: { variables } });
    const most = Math.floor(limits.runInputBytesMax / 1_000_012);
    expect(ended.filter((step) => step?.input !== undefined)).toHaveLength(most);
    const refused = ended.filter((step) => step?.error?.code === "input_too_large");
    expect(refused).toHaveLength(count - most);
    expect(refused[0]).toMatchObject({ status: "FAILED", attempt: 1 });
  });
});
