import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import { approvalStep, type Given, parallelStep, requestOf } from "./approvals-fixtures.ts";
import { definitionOf, noLiveActions } from "./engine-world.ts";
import { actionStep, liveActionStep } from "./walk-driver.ts";

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

describe("a live action that an approval lets happen", () => {
  const isCredential = (name: string) => name === "acme_token";
  const liveActions = { ...noLiveActions, isCredential };

  test("is shown with its target and params, which are bound; one that is not next without them", async () => {
    const params = { note: "{{ finding.title }}", at: "{{ now }}", acme_token: "s3cret" };
    const { effect, bound } = await requestOf({
      steps: [
        approvalStep("ask", { onSuccess: "isolate" }),
        liveActionStep("isolate", { target: "{{ finding.ip }}", params, vendorId: "acme", onSuccess: "later" }),
        liveActionStep("later", { capability: "block_ip", target: "{{ finding.ip }}" }),
      ],
      liveActions,
    });
    expect(effect.steps).toEqual([
      {
        ...{ stepId: "isolate", name: "isolate", capability: "isolate_host", vendorId: "acme", target: "10.0.0.7" },
        parameters: { note: "Odd", at: "{{ now }}", acme_token: "***" },
      },
      { stepId: "later", name: "later", capability: "block_ip", vendorId: null },
    ]);
    expect(bound).toEqual({ isolate: { target: "10.0.0.7", parameters: { note: "Odd" } } });
  });

  test("is shown as it is written, and not bound, where the target is not known yet", async () => {
    const steps = [
      approvalStep("ask", { onSuccess: "isolate" }),
      liveActionStep("isolate", { target: "{{ steps.ask.output.comment }}" }),
    ];
    const { effect, bound } = await requestOf({ steps, liveActions });
    expect(effect.steps[0]).toMatchObject({ target: "{{ steps.ask.output.comment }}" });
    expect(bound).toEqual({ isolate: { parameters: {} } });
  });
});
