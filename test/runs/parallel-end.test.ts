import { describe, expect, test } from "vitest";
import type { PlanParallelStep, PlanStep } from "../../src/playbooks/plan.ts";
import { playbook, two, walked } from "./parallel-plans.ts";
import { actionStep, always, delayStep, failed, type Script, scripted, succeeded } from "./walk-driver.ts";

describe("a parallel step whose time is over", () => {
  const bounded = (rest: Partial<PlanParallelStep> = {}, branches: readonly PlanStep[] = two) =>
    playbook(branches, { timeoutMs: 1_000, ...rest });

  test("ends its branches, and is timed out once they have ended", () => {
    const driver = walked(bounded()).elapse(1_000);
    expect(driver.trail().at(-1)).toBe("step_timed_out");
    expect([...driver.told]).toEqual(["x", "y"]);
    expect(driver.end("x").statusOf("p")).toBe("RUNNING");
    expect(driver.end("y").trail().slice(-4)).toEqual([
      ...["x.1 CANCELLED", "y.1 CANCELLED", "p.1 TIMED_OUT", "run.1 FAILED"],
    ]);
    expect(driver.walk.run.error?.code).toBe("timed_out");
  });

  test("is timed out even where what was ended succeeds all the same", () => {
    const driver = walked(bounded({ onFailure: { step: "rescue" } }), always(succeeded)).elapse(1_000);
    const obstinate = { type: "STEP_STATUS", attempt: 1, ...succeeded } as const;
    driver.advance([{ ...obstinate, stepId: "x" }]).advance([{ ...obstinate, stepId: "y" }]);
    expect(driver.trail().slice(-2)).toEqual(["p.1 TIMED_OUT", "rescue.1 RUNNING"]);
    expect(driver.walk.run.steps.get("p")?.output).toEqual({ branches: { x: "succeeded", y: "succeeded" } });
  });

  test("leaves no branch to be tried again, or the run would wait for it for ever", () => {
    const branches = [actionStep("x", { maxRetries: 5 }), actionStep("y")];
    const driver = walked(bounded({}, branches)).elapse(1_000);
    driver.advance([{ type: "STEP_STATUS", stepId: "x", attempt: 1, ...failed }]).end("y");
    expect(driver.trail().slice(-2)).toEqual(["p.1 TIMED_OUT", "run.1 FAILED"]);
  });

  test("drops a branch whose inputs are still worked out", () => {
    const driver = walked(bounded(), scripted({ x: [{ ...succeeded, isSlow: true }] }))
      .elapse(1_000)
      .end("y");
    expect(driver.trail().slice(-2)).toEqual(["p.1 TIMED_OUT", "run.1 FAILED"]);
    expect(driver.statusOf("x")).toBeUndefined();
  });

  test("ends a branch whose inputs are worked out for a retry", () => {
    const branches = [actionStep("x", { maxRetries: 1 }), actionStep("y")];
    const script = scripted({ x: [failed, { ...succeeded, isSlow: true }] });
    const driver = walked(bounded({}, branches), script).end("x").elapse(0).elapse(1_000).end("y");
    expect(driver.trail().slice(-5)).toEqual([
      ...["step_timed_out", "x.2 CANCELLED", "y.1 CANCELLED", "p.1 TIMED_OUT", "run.1 FAILED"],
    ]);
  });

  test("ends a branch that was interrupted and has not started again", () => {
    const script: Script = ({ attempt }) => (attempt === 1 ? succeeded : { ...succeeded, isSlow: true });
    const driver = walked(bounded({ onFailure: "continue" }), script)
      .crash()
      .elapse(1_000)
      .go();
    expect(driver.walk.run.status).toBe("SUCCEEDED");
    expect([driver.statusOf("x"), driver.statusOf("y")]).toEqual(["CANCELLED", "CANCELLED"]);
  });

  test("does not run a branch again that its node's death ended, nor one that was about to be tried", () => {
    const branches = [actionStep("x"), actionStep("y", { maxRetries: 1, retryDelayMs: 500 })];
    const driver = walked(bounded({}, branches), scripted({ y: [failed] }))
      .end("y")
      .crash({ downMs: 5_000 });
    expect(driver.trail().slice(-5)).toEqual([
      ...["step_timed_out", "x.1 CANCELLED", "y.2 CANCELLED", "p.1 TIMED_OUT", "run.1 FAILED"],
    ]);
  });

  test("does not try a branch again that fails in the same moment", () => {
    const branches = [actionStep("x", { maxRetries: 5 }), actionStep("y")];
    const driver = walked(bounded({}, branches), scripted({ x: [failed] }))
      .hold()
      .end("x");
    driver.elapse(1_000).settle().end("y");
    expect(driver.trail().slice(-5)).toEqual([
      ...["x.1 FAILED", "step_timed_out", "y.1 CANCELLED", "p.1 TIMED_OUT", "run.1 FAILED"],
    ]);
  });

  test("ends a delay that is over in the same moment once, not twice", () => {
    const driver = walked(bounded({}, [delayStep("d", { durationMs: 1_000 }), actionStep("x")])).elapse(5_000);
    expect(
      driver
        .end("x")
        .trail()
        .filter((word) => word.startsWith("d.1")),
    ).toEqual(["d.1 WAITING", "d.1 SUCCEEDED"]);
    expect(driver.statusOf("p")).toBe("TIMED_OUT");
  });

  test("is tried again as on a failure, with all its time", () => {
    const driver = walked(bounded({ maxRetries: 1, retryDelayMs: 50 }))
      .elapse(1_000)
      .end("x")
      .end("y")
      .elapse(50);
    expect(driver.trail().slice(-5)).toEqual([
      ...["p.1 TIMED_OUT", "p.2 WAITING", "p.2 RUNNING", "x.2 RUNNING", "y.2 RUNNING"],
    ]);
    expect(driver.elapse(999).trail().at(-1)).toBe("y.2 RUNNING");
    expect(driver.elapse(1).trail().at(-1)).toBe("step_timed_out");
  });

  test("goes on where its failure is passed over", () => {
    expect(
      walked(bounded({ onFailure: "continue" }))
        .elapse(1_000)
        .go().walk.run.status,
    ).toBe("SUCCEEDED");
  });

  test("with join: any, does not end the branches that it has left behind", () => {
    const driver = walked(bounded({ join: "ANY" }))
      .end("x")
      .elapse(5_000);
    expect(driver.told.size).toBe(0);
    expect(driver.trail()).not.toContain("step_timed_out");
  });
});

describe("a run with a parallel step that is told to stop", () => {
  test("ends every branch and waits for each", () => {
    const driver = walked(playbook([...two, delayStep("d")])).cancel();
    expect(driver.trail().slice(-3)).toEqual(["cancel_requested", "p.1 CANCELLED", "d.1 CANCELLED"]);
    expect(driver.end("x").walk.isFinished).toBe(false);
    expect(driver.end("y").trail().slice(-3)).toEqual(["x.1 CANCELLED", "y.1 CANCELLED", "run.1 CANCELLED"]);
  });

  test("does not try a branch again that fails in the same moment", () => {
    const plan = playbook([actionStep("x", { maxRetries: 5 }), actionStep("y")]);
    const driver = walked(plan, scripted({ x: [failed] }))
      .hold()
      .end("x")
      .cancel();
    expect(driver.settle().go().trail().slice(4)).toEqual([
      ...["x.1 FAILED", "cancel_requested", "p.1 CANCELLED", "y.1 CANCELLED", "run.1 CANCELLED"],
    ]);
  });

  test("ends as it is told, where only branches were left that it waited for", () => {
    const driver = walked(playbook(two, { join: "ANY" }))
      .end("y")
      .end("next")
      .cancel()
      .go();
    expect(driver.trail().slice(-2)).toEqual(["x.1 CANCELLED", "run.1 CANCELLED"]);
  });

  test("is told while a branch is about to join: the parallel step has one outcome", () => {
    const driver = walked(playbook([actionStep("x")])).hold();
    driver.advance([{ type: "STEP_STATUS", stepId: "x", attempt: 1, ...succeeded }]);
    driver.say("CANCEL", { by: "ann" }).hear().settle();
    expect(driver.trail().slice(3)).toEqual(["x.1 SUCCEEDED", "cancel_requested", "p.1 SUCCEEDED", "run.1 CANCELLED"]);
  });
});
