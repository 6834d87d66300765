import { describe, expect, test } from "vitest";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import { prepareStep } from "../../src/runs/prepare-step.ts";
import type { StepPorts, StepStart } from "../../src/runs/step-ports.ts";
import { noLiveActions } from "./engine-world.ts";
import { actionStep, approvalStep, conditionStep, planOf } from "./walk-driver.ts";

/** A catalogue whose answers nobody can work with. */
const broken = {
  resolve(_tenantId: string, { actionId }: { readonly actionId: string }) {
    const definition = actionId === "targetless" ? { parameters: [], executor: { type: "remote" } } : undefined;
    return { enabled: true, definition };
  },
};

/** What the preparation of the first step comes to, and what the log says of it. */
async function prepared(...steps: readonly [PlanStep, ...PlanStep[]]) {
  const said: object[] = [];
  const log = { error: (fields: object, name: string) => said.push({ ...fields, name }) };
  const ports = { actions: broken, variables: () => ({}), liveActions: noLiveActions, now: () => 0, log };
  const run = { id: "r", tenantId: "t", plan: planOf(steps), context: {}, givenSecrets: {}, startedBy: {} };
  const start = { run, state: { steps: new Map() }, stepId: steps[0].id, attempt: 1, outputs: () => [] };
  const { fact } = await prepareStep(ports as unknown as StepPorts, start as unknown as StepStart);
  return { fact, said };
}

describe("a step that a bug keeps from being prepared", () => {
  test.each<[string, readonly [PlanStep, ...PlanStep[]]]>([
    ["an action", [actionStep("odd", { actionId: "targetless" })]],
    ["a condition", [conditionStep("odd", { expression: undefined as unknown as string })]],
    ["an approval", [approvalStep("odd", { onSuccess: "broken" }), actionStep("broken")]],
  ])("fails for good, and the log says why: %s", async (_what, steps) => {
    const { fact, said } = await prepared(...steps);
    expect(fact).toMatchObject({ status: "FAILED", error: { code: "internal_error" }, isFinal: true });
    expect(said).toEqual([
      { runId: "r", step: "odd", reason: expect.stringContaining("TypeError"), name: "step.unprepared" },
    ]);
  });
});
