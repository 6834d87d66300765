import { describe, expect, test } from "vitest";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { StateFailure } from "../../src/core/failures.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import type { PlanApprovalStep, PlanParallelStep, PlanStep } from "../../src/playbooks/plan.ts";
import type { BoundStep } from "../../src/runs/events.ts";
import { type RunState, type StepState, unstarted } from "../../src/runs/fold.ts";
import type { RunInfo } from "../../src/runs/new-run.ts";
import { boundStep, prepareApproval } from "../../src/runs/request-approval.ts";
import type { PreparedStep, StepPorts } from "../../src/runs/step-ports.ts";
import { definitionOf } from "./engine-world.ts";
import { actionStep, conditionStep, planOf } from "./walk-driver.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;

function approvalStep(id: string, rest: Partial<PlanApprovalStep> = {}): PlanApprovalStep {
  const fallbacks = { onFailure: "abort", onTimeout: "abort" } as const;
  return { ...common, ...fallbacks, type: "APPROVAL", id, name: id, approvers: [{ role: "lead" }], ...rest };
}

function parallelStep(id: string, branches: readonly string[], rest: Partial<PlanParallelStep> = {}): PlanParallelStep {
  return { ...common, type: "PARALLEL", id, name: id, branches, join: "ALL", ...rest };
}

interface World {
  readonly definitions?: Readonly<Record<string, ActionDefinition>>;
  /** Thrown for these actions instead of an answer. */
  readonly problems?: Readonly<Record<string, Error>>;
  /** Answers come as promises. */
  readonly isSlow?: boolean;
}

function portsOf({ definitions = {}, problems = {}, isSlow = false }: World): StepPorts {
  const resolve = (_tenantId: string, { actionId }: { readonly actionId: string }) => {
    const problem = problems[actionId];
    if (problem && !isSlow) throw problem;
    const definition = definitions[actionId] ?? { ...definitionOf(actionId), version: "1.0.7" };
    const action = { actionId, versionId: actionId, name: actionId, version: definition.version, definition };
    if (!isSlow) return action;
    return problem ? Promise.reject(problem) : Promise.resolve(action);
  };
  return { actions: { resolve, files: async () => [] }, log: silentLog, now: () => 1_000 } as unknown as StepPorts;
}

interface Given extends World {
  readonly steps: readonly PlanStep[];
  readonly states?: readonly (Pick<StepState, "stepId" | "status"> & Partial<StepState>)[];
  readonly run?: Partial<RunInfo>;
}

function stateOf(states: NonNullable<Given["states"]>): RunState {
  const full = states.map(
    (one): StepState => ({ attempt: 1, firstAttempt: 1, interruptions: 0, warnings: [], ...one }),
  );
  return { ...unstarted, status: "RUNNING", steps: new Map(full.map((step) => [step.stepId, step])) };
}

/** The request that the step `ask` makes. */
async function requestOf({ steps, states = [], run = {}, ...world }: Given) {
  const plan = planOf(steps);
  const info = {
    ...{ id: "run-1", tenantId: "t", kind: "PLAYBOOK", plan, createdAt: 0 },
    ...{ context: { finding: { ip: "10.0.0.7", title: "Odd" } }, givenSecrets: {} },
    startedBy: { kind: "TOKEN", id: "token-1", name: "ann" },
    ...run,
  } as RunInfo;
  const step = plan.steps.get("ask") as PlanApprovalStep;
  const start = { run: info, state: stateOf(states), stepId: "ask", attempt: 1 };
  const prepared: PreparedStep = await prepareApproval(portsOf(world), start, step, { region: "eu" });
  const effect = (prepared.approval?.effect ?? {}) as {
    steps: JsonObject[];
    isShortened?: true;
    moreStepsCount?: number;
  };
  return { ...prepared, effect, bound: prepared.fact.approval?.bound ?? {} };
}

const idsOf = ({ steps }: { steps: JsonObject[] }) => steps.map(({ stepId }) => stepId);

describe("a request for approval", () => {
  test("says what its author wrote, with what the run knows, and who asked", async () => {
    const message = "Block {{ finding.ip }} in {{ env.region }}? {{ finding.gone }}";
    const { fact, approval } = await requestOf({ steps: [approvalStep("ask", { message })] });
    expect(approval).toMatchObject({
      stepId: "ask",
      message: "Block 10.0.0.7 in eu? ",
      approvers: [{ role: "lead" }],
      requesterId: "token-1",
      expiresAt: null,
      effect: { steps: [] },
    });
    expect(fact).toMatchObject({
      stepId: "ask",
      attempt: 1,
      status: "WAITING",
      approval: { id: approval?.id, bound: {} },
    });
    expect(fact.warnings).toEqual([expect.stringContaining("finding.gone")]);
  });

  test("has the time that its step gives it", async () => {
    const { fact, approval } = await requestOf({ steps: [approvalStep("ask", { timeoutMs: 60_000 })] });
    expect(approval?.expiresAt).toBe(61_000);
    expect(fact.approval?.expiresAt).toBe(approval?.expiresAt);
  });

  test("keeps a message that can be stored, of bounded length and without secrets", async () => {
    const context = {
      finding: { long: "y".repeat(2 * limits.textLengthMax), odd: "a\u0000\ud800b", secret: "hunter2-canary" },
    };
    const run = { context, givenSecrets: { key: "hunter2-canary" } };
    const say = async (message: string) =>
      (await requestOf({ steps: [approvalStep("ask", { message })], run })).approval;
    expect((await say("{{ finding.long }}"))?.message).toHaveLength(limits.textLengthMax);
    expect((await say("{{ finding.odd }}"))?.message).toBe("a\ufffd\ufffdb");
    expect((await say("It is {{ finding.secret }}."))?.message).toBe("It is ***.");
    expect((await say("{{ finding }}"))?.message).not.toContain("hunter2");
  });

  test("fails its step where the message can't be made", async () => {
    const context = { list: "z".repeat(limits.renderedBytesMax) };
    const message = "{{ trigger.list }}{{ trigger.list }}";
    const { fact, approval } = await requestOf({ steps: [approvalStep("ask", { message })], run: { context } });
    expect(fact).toMatchObject({ status: "FAILED", isFinal: true, error: { code: "invalid_input" } });
    expect(approval).toBeUndefined();
  });
});

describe("what an approval lets happen", () => {
  test("is every action behind it up to the next approval, whichever way, with its exact version", async () => {
    const { effect, bound } = await requestOf({
      steps: [
        actionStep("before", { onSuccess: "ask" }),
        approvalStep("ask", { onSuccess: "check", onFailure: { step: "refused" } }),
        conditionStep("check", { onTrue: "fork", onFalse: "note" }),
        parallelStep("fork", ["left", "right"], { onSuccess: "again", onFailure: { step: "page" } }),
        actionStep("left", { parallel: "fork" }),
        actionStep("right", { parallel: "fork" }),
        approvalStep("again", { onSuccess: "more" }),
        actionStep("more"),
        actionStep("note", { onFailure: { step: "page" } }),
        actionStep("page"),
        actionStep("refused"),
      ],
    });
    expect(idsOf(effect)).toEqual(["left", "right", "note", "page"]);
    expect(effect.steps[0]).toEqual({ stepId: "left", name: "left", action: "left", version: "1.0.7" });
    expect(bound["note"]).toEqual({ actionRef: "note@1.0.7" });
    expect(Object.keys(bound)).toEqual(["left", "right", "note", "page"]);
  });

  test("of a branch is what follows its parallel step", async () => {
    const { effect } = await requestOf({
      steps: [
        parallelStep("fork", ["ask", "other"], { onSuccess: "act" }),
        approvalStep("ask", { parallel: "fork" }),
        actionStep("other", { parallel: "fork" }),
        actionStep("act"),
      ],
    });
    expect(idsOf(effect)).toEqual(["act"]);
  });

  test("says why an action can't run, and does not bind it", async () => {
    const disabled = new StateFailure("action_disabled", "act is disabled.");
    for (const isSlow of [false, true]) {
      const { effect, bound } = await requestOf({
        steps: [approvalStep("ask", { onSuccess: "act" }), actionStep("act", { parameters: { value: "x" } })],
        problems: { act: disabled },
        isSlow,
      });
      const problem = { code: "action_disabled", message: "act is disabled." };
      expect(effect.steps).toEqual([{ stepId: "act", name: "act", action: "act@1.0.0", problem }]);
      expect(bound).toEqual({});
    }
  });

  test("is asked again where the catalogue can't answer", async () => {
    const steps = [approvalStep("ask", { onSuccess: "act" }), actionStep("act")];
    const problems = { act: new Error("The database is away.") };
    await expect(requestOf({ steps, problems, isSlow: true })).rejects.toThrow("away");
  });
});

describe("the arguments of the next step", () => {
  const nextWith = (parameters: Readonly<Record<string, Json>>, given: Partial<Given> = {}) =>
    requestOf({
      steps: [
        actionStep("lookup", { onSuccess: "ask" }),
        approvalStep("ask", { onSuccess: "act" }),
        actionStep("act", { parameters, onSuccess: "later" }),
        actionStep("later", { parameters: { value: "{{ finding.ip }}" } }),
      ],
      states: [{ stepId: "lookup", status: "SUCCEEDED", output: { score: 93 } }],
      ...given,
    });

  test("are shown as they are now and bound; those of later steps are not", async () => {
    const { effect, bound } = await nextWith({ value: "{{ finding.ip }}", number: "{{ steps.lookup.output.score }}" });
    expect(effect.steps).toEqual([
      { stepId: "act", name: "act", action: "act", version: "1.0.7", parameters: { value: "10.0.0.7", number: 93 } },
      { stepId: "later", name: "later", action: "later", version: "1.0.7" },
    ]);
    expect(bound).toEqual({
      act: { actionRef: "act@1.0.7", parameters: { value: "10.0.0.7", number: 93 } },
      later: { actionRef: "later@1.0.7" },
    });
  });

  test.each([
    ["the time", "at {{ now }}"],
    ["the decision itself", { who: ["{{ steps.ask.output.decidedBy }}"] }],
    ["a branch that is still under way", "{{ steps.behind.output.x }}"],
    ["a branch that has not begun", "{{ steps.unbegun.status }}"],
    ["all steps", "{{ steps }}"],
  ])("stay templates where they need %s", async (_what, value) => {
    const steps: PlanStep[] = [
      parallelStep("fork", ["behind", "unbegun"], { join: "ANY", onSuccess: "ask" }),
      actionStep("behind", { parallel: "fork" }),
      actionStep("unbegun", { parallel: "fork" }),
      approvalStep("ask", { onSuccess: "act" }),
      actionStep("act", { parameters: { value, text: "{{ finding.title }}" } }),
    ];
    const states = [{ stepId: "fork", status: "SUCCEEDED" } as const, { stepId: "behind", status: "RUNNING" } as const];
    const { effect, bound } = await requestOf({ steps, states });
    expect(effect.steps[0]?.["parameters"]).toEqual({ value, text: "Odd" });
    expect(bound["act"]?.parameters).toEqual({ text: "Odd" });
  });

  test("stay templates where a branch beside it, or beside the request, may still change them", async () => {
    const beside = await requestOf({
      steps: [
        approvalStep("ask", { onSuccess: "fork" }),
        parallelStep("fork", ["left", "right"]),
        actionStep("left", {
          parallel: "fork",
          parameters: { value: "{{ steps.right.output.x }}", text: "{{ finding.ip }}" },
        }),
        actionStep("right", { parallel: "fork" }),
      ],
    });
    expect(beside.bound["left"]?.parameters).toEqual({ text: "10.0.0.7" });
    const around = await requestOf({
      steps: [
        parallelStep("fork", ["ask", "other"], { onSuccess: "act" }),
        approvalStep("ask", { parallel: "fork" }),
        actionStep("other", { parallel: "fork" }),
        actionStep("act", { parameters: { value: "{{ steps.other.output.x }}", list: "{{ steps.fork.output }}" } }),
      ],
      // Of the round before: the parallel step is tried again.
      states: [
        { stepId: "fork", status: "RUNNING" },
        { stepId: "other", status: "FAILED" },
      ],
    });
    expect(around.bound["act"]).toEqual({ actionRef: "act@1.0.7", parameters: {} });
  });

  test("never show a secret, nor bind one", async () => {
    const definition = definitionOf("act", {
      version: "1.0.7",
      parameters: ["key", "token", "value"].map((name) => ({
        name,
        type: name === "value" ? ("string" as const) : ("secret" as const),
      })),
    });
    const parameters = {
      key: { $secret: "edr-key" },
      token: "{{ finding.password }}",
      value: "uses {{ finding.password }}",
    };
    const run = { context: { finding: { password: "hunter2-canary" } }, givenSecrets: { other: "hunter2-canary" } };
    const { approval, fact, effect } = await nextWith(parameters, { definitions: { act: definition }, run });
    expect(effect.steps[0]?.["parameters"]).toEqual({ key: { $secret: "edr-key" }, token: "***", value: "uses ***" });
    expect(fact.approval?.bound["act"]?.parameters).toEqual({});
    expect(JSON.stringify([approval, fact])).not.toContain("hunter2");
  });

  test("are left out, and not bound, where there is too much of them", async () => {
    const context = { finding: { ip: "y".repeat(limits.approvalEffectBytesMax) } };
    const { effect, bound } = await nextWith({ value: "{{ finding.ip }}" }, { run: { context } });
    expect(effect).toMatchObject({ isShortened: true, steps: [{ stepId: "act", version: "1.0.7" }, {}] });
    expect(effect.steps[0]).not.toHaveProperty("parameters");
    expect(bound["act"]).toEqual({ actionRef: "act@1.0.7" });
  });

  test("and the list of steps keep to their bound together", async () => {
    const ids = Array.from({ length: limits.playbookStepsMax - 1 }, (_, index) => `step-${index}`);
    const chain = ids.map((id, index) => actionStep(id, { name: "n".repeat(200), onSuccess: ids[index + 1] ?? null }));
    const { effect, bound } = await requestOf({ steps: [approvalStep("ask", { onSuccess: "step-0" }), ...chain] });
    expect(Buffer.byteLength(JSON.stringify(effect))).toBeLessThanOrEqual(limits.approvalEffectBytesMax);
    expect(effect.steps.length + (effect.moreStepsCount ?? 0)).toBe(ids.length);
    expect(effect.steps.length).toBeGreaterThan(50);
    expect(Object.keys(bound)).toHaveLength(ids.length);
  });
});

describe("what a step is bound to", () => {
  const plan = planOf([approvalStep("one"), approvalStep("two"), actionStep("act"), actionStep("constructor")]);
  const bind = (stepId: string, status: StepState["status"], finishedAt: number, actionRef: string) => ({
    ...{ stepId, status, finishedAt },
    bound: { act: { actionRef } } as Readonly<Record<string, BoundStep>>,
  });
  const refOf = (...states: NonNullable<Given["states"]>) => boundStep(stateOf(states), plan, "act")?.actionRef;

  test("is what the newest approval that was given says", () => {
    expect(refOf(bind("one", "SUCCEEDED", 2, "act@1.0.1"))).toBe("act@1.0.1");
    expect(refOf(bind("one", "SUCCEEDED", 2, "act@1.0.1"), bind("two", "SUCCEEDED", 1, "act@1.0.0"))).toBe("act@1.0.1");
    expect(refOf(bind("one", "SUCCEEDED", 2, "act@1.0.1"), bind("two", "FAILED", 3, "act@1.0.2"))).toBe("act@1.0.1");
  });

  test("is nothing where nobody approved", () => {
    expect(refOf(bind("one", "WAITING", 2, "act@1.0.1"), bind("two", "TIMED_OUT", 3, "act@1.0.2"))).toBeUndefined();
    const approved = stateOf([bind("one", "SUCCEEDED", 2, "act@1.0.1")]);
    expect(boundStep(approved, plan, "constructor")).toBeUndefined();
    expect(boundStep(approved, plan, "other")).toBeUndefined();
  });
});
