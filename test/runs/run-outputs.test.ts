import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { catalogueOf, definitionOf, EngineWorld, problemsOf } from "./engine-world.ts";
import { actionStep, parallelSteps, planOf } from "./walk-driver.ts";

describe("the outputs of branches that end at once", () => {
  let world: EngineWorld;
  beforeAll(async () => {
    world = await EngineWorld.create();
  });
  afterEach(() => world.reset());
  afterAll(() => world.close());

  const most = limits.runOutputBytesMax / limits.outputBytesMax;
  const branches = Array.from({ length: most + 4 }, (_, index) =>
    actionStep(`large-${index}`, { actionId: "large", parameters: { value: "{{ finding.text }}" } }),
  );
  const plan = planOf(parallelSteps("fork", branches));
  const large = definitionOf("large", {
    parameters: Array.from({ length: 4 }, (_, index) => ({
      name: index === 0 ? "value" : `more-${index}`,
      type: "string" as const,
      ...(index === 0 ? {} : { default: "x".repeat(limits.outputBytesMax / 4 - 1_000) }),
    })),
  });
  const text = "x".repeat(limits.contextBytesMax - 1_000);

  async function outputsOf(rest: Parameters<EngineWorld["birth"]>[1]) {
    const everybody = Promise.withResolvers<void>();
    let atWork = 0;
    const engine = await world.engine(
      async ({ arguments: output }) => {
        if (++atWork === branches.length) everybody.resolve();
        await everybody.promise;
        return { status: "SUCCEEDED", output };
      },
      { steps: { actions: catalogueOf({ large }) } },
    );
    const birth = world.birth(plan, { context: { finding: { text } }, ...rest });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    const { steps } = await world.state(birth.id);
    return branches.map(({ id }) => steps.get(id));
  }

  test("are bounded together, as those of steps one after the other", async () => {
    const ended = await outputsOf({});
    const kept = ended.filter((step) => step?.output !== undefined);
    expect(kept).toHaveLength(most);
    expect(ended.filter((step) => step?.error?.code === "output_too_large")).toHaveLength(ended.length - most);
  });

  test("are bounded together in a dry run", async () => {
    const ended = await outputsOf({ dryRun: true });
    const whole = ended.filter((step) => step?.output !== undefined && "request" in (step.output as object));
    expect(whole).toHaveLength(most);
    expect(ended.every((step) => step?.status === "SIMULATED")).toBe(true);
  });
});
