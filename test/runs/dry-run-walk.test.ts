import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { limits } from "../../src/core/limits.ts";
import { type Call, catalogueOf, definitionOf, EngineWorld, echo, problemsOf, stepsOf } from "./engine-world.ts";
import { actionStep, approvalStep, conditionStep, delayStep, parallelSteps, planOf } from "./walk-driver.ts";

describe("a dry run on the engine", () => {
  let world: EngineWorld;
  const called: Call[] = [];
  const execute = (call: Call) => {
    called.push(call);
    return echo(call);
  };
  beforeAll(async () => {
    world = await EngineWorld.create();
  });
  afterEach(async () => {
    called.length = 0;
    await world.reset();
  });
  afterAll(() => world.close());

  async function dryRun(steps: Parameters<typeof planOf>[0], definitions: Record<string, ActionDefinition> = {}) {
    const refusing = {
      ...catalogueOf(definitions),
      files: () => Promise.reject(new Error("No file of a package is read in a dry run.")),
    };
    const engine = await world.engine(execute, { steps: { actions: refusing } });
    const birth = world.birth(planOf(steps), { dryRun: true, context: { finding: { ip: "10.0.0.7" } } });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    return { id: birth.id, events: await world.events(birth.id), run: await world.state(birth.id) };
  }

  const everything = [
    actionStep("look", { onSuccess: "fork", parameters: { value: "{{ finding.ip }}" } }),
    ...parallelSteps("fork", [actionStep("left"), approvalStep("right"), delayStep("nap")], { onSuccess: "wait" }),
    delayStep("wait", { onSuccess: "ask", durationMs: 86_400_000 }),
    approvalStep("ask", { onSuccess: "is-asked", timeoutMs: 1_000 }),
    conditionStep("is-asked", { expression: "{{ steps.ask.output.decision }} == 'approved'", onTrue: "act" }),
    actionStep("act", { parameters: { value: "{{ steps.look.output.id }}", text: "{{ steps.look.status }}" } }),
  ];

  test("walks every type of step at once, and never calls the port of the executors", async () => {
    const { id, events, run } = await dryRun(everything);
    expect(called).toEqual([]);
    expect(stepsOf(events)).toEqual([
      ..."look.1 SIMULATED,fork.1 RUNNING,left.1 SIMULATED,right.1 SIMULATED,nap.1 SIMULATED".split(","),
      ..."fork.1 SUCCEEDED,wait.1 SIMULATED,ask.1 SIMULATED,is-asked.1 SUCCEEDED,act.1 SIMULATED".split(","),
    ]);
    expect(run.status).toBe("SUCCEEDED");
    expect(await world.head(id)).toMatchObject({ simulated: 7, failed: 0 });
    const { rows } = await world.pool.query(
      "select (select count(*) from approval) + (select count(*) from trigger_event) as n",
    );
    expect(Number(rows[0].n)).toBe(0);
    expect(run.steps.get("wait")?.output).toEqual({ waitsMs: 86_400_000 });
    expect(run.steps.get("ask")?.output).toMatchObject({ decision: "approved", asks: [{ role: "admin" }] });
  });

  test("shows what can't be known as it is written, and says so", async () => {
    const { run } = await dryRun(everything);
    expect(run.steps.get("act")).toMatchObject({
      input: { value: "{{ steps.look.output.id }}", text: "simulated" },
      output: {
        request: { body: { value: "{{ steps.look.output.id }}", text: "simulated" } },
        unknown: ["value"],
      },
      warnings: ["steps.look.output.id is not known in a dry run."],
    });
  });

  test("decides nothing by what a simulation shows", async () => {
    const { run } = await dryRun([
      actionStep("look", { onSuccess: "c" }),
      conditionStep("c", { expression: "{{ steps.look.output.executor }} == 'remote'", onTrue: "yes", onFalse: "no" }),
      actionStep("yes"),
      actionStep("no"),
    ]);
    expect([...run.steps.keys()]).toEqual(["look", "c", "no"]);
    expect(run.steps.get("c")?.warnings).toContain("steps.look.output.executor is not known in a dry run.");
  });

  test("fails, skips and goes to a fallback as a production run does", async () => {
    const rules = [{ field: "{{ finding.ip }}", op: "eq", value: "1.1.1.1" }];
    const definitions = {
      strict: definitionOf("strict", { parameters: [{ name: "value", type: "integer", required: true }] }),
      choosy: definitionOf("choosy", { conditions: { operator: "and", rules } }),
    };
    const steps = [
      actionStep("choosy", { onSuccess: "strict" }),
      actionStep("strict", { parameters: { value: "{{ finding.ip }}" }, maxRetries: 3, onFailure: { step: "gone" } }),
      actionStep("gone", { actionId: "missing", onFailure: "continue", onSuccess: "end" }),
      actionStep("end"),
    ];
    const { run, events } = await dryRun(steps, definitions);
    expect(stepsOf(events)).toEqual(["choosy.1 SKIPPED", "strict.1 FAILED", "gone.1 FAILED", "end.1 SIMULATED"]);
    expect(run.steps.get("strict")?.error?.code).toBe("invalid_parameters");
    expect(run.steps.get("gone")?.error?.code).toBe("not_found");
    expect(called).toEqual([]);
  });

  test("does not wait to try again what failed", async () => {
    const strict = definitionOf("strict", { parameters: [{ name: "value", type: "integer", required: true }] });
    const again = { maxRetries: 2, retryDelayMs: 86_400_000 };
    const { run, events } = await dryRun(parallelSteps("fork", [actionStep("strict")], again), { strict });
    expect(stepsOf(events).filter((word) => word.startsWith("fork") && word.endsWith("WAITING"))).toHaveLength(2);
    expect(run.steps.get("fork")).toMatchObject({ attempt: 3, status: "FAILED" });
  });

  test("keeps less of a call that is too large", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `p${index}`);
    const large = definitionOf("large", { parameters: names.map((name) => ({ name, type: "string" as const })) });
    const text = "x".repeat(limits.outputBytesMax / 16);
    const parameters = Object.fromEntries(names.map((name) => [name, text]));
    const { run } = await dryRun([actionStep("large", { parameters })], { large });
    expect(run.steps.get("large")).toMatchObject({
      status: "SIMULATED",
      output: { simulated: true, executor: "remote", tooLarge: true },
    });
  });
});
