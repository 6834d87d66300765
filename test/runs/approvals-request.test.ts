import { describe, expect, test } from "vitest";
import { StateFailure } from "../../src/core/failures.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import type { BoundStep } from "../../src/runs/events.ts";
import type { StepState } from "../../src/runs/fold.ts";
import { boundStep } from "../../src/runs/request-approval.ts";
import { approvalStep, type Given, parallelStep, requestOf, stateOf } from "./approvals-fixtures.ts";
import { actionStep, conditionStep, planOf } from "./walk-driver.ts";

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

  test("is also what follows a condition that can't be asked", async () => {
    const { bound } = await requestOf({
      steps: [
        approvalStep("ask", { onSuccess: "check" }),
        conditionStep("check", { onFailure: "continue", onSuccess: "anyway" }),
        actionStep("anyway"),
      ],
    });
    expect(bound).toEqual({ anyway: { actionRef: "anyway@1.0.7" } });
  });

  test("is nothing that a rerun has taken over: it does not come again", async () => {
    const { effect, bound } = await requestOf({
      steps: [
        approvalStep("ask", { onSuccess: "fork" }),
        parallelStep("fork", ["done", "open"], { onSuccess: "act" }),
        actionStep("done", { parallel: "fork" }),
        actionStep("open", { parallel: "fork" }),
        actionStep("act"),
      ],
      states: [{ stepId: "done", status: "SUCCEEDED", isTakenOver: true }],
    });
    expect([idsOf(effect), Object.keys(bound)]).toEqual([
      ["open", "act"],
      ["open", "act"],
    ]);
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
