import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import type { StepStatus, StepStatusFact } from "../../src/runs/events.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import {
  actionStep,
  always,
  approvalStep,
  conditionStep,
  delayStep,
  failed,
  parallelSteps,
  planOf,
  type Script,
  scripted,
  succeeded,
  WalkDriver,
} from "./walk-driver.ts";

/** The outcome of the run before, of the try that was its last. */
function taken(stepId: string, status: StepStatus = "SUCCEEDED", output: Json = { from: "before" }): StepStatusFact {
  const error = status === "FAILED" || status === "TIMED_OUT" ? { error: { code: "old", message: "It broke." } } : {};
  return { type: "STEP_STATUS", stepId, attempt: 3, status, output, isTakenOver: true, ...error };
}

const rerun = (plan: RunPlan, takenOver: readonly StepStatusFact[], script: Script = always(succeeded)) =>
  new WalkDriver(plan, script).begin(takenOver);
const begun = (driver: WalkDriver) => driver.trail().filter((word) => /RUNNING|WAITING/.test(word));

describe("a rerun", () => {
  const line = planOf([
    actionStep("a", { onSuccess: "b" }),
    actionStep("b", { onSuccess: "c" }),
    actionStep("c", { onFailure: "retry" }),
  ]);

  test("begins behind what was taken over, whose outputs it has", () => {
    const driver = rerun(line, [taken("a"), taken("b", "SIMULATED")]);
    expect(driver.trail()).toEqual(["a.3 SUCCEEDED", "b.3 SIMULATED", "run.1 RUNNING", "c.1 RUNNING"]);
    expect(driver.walk.run.steps.get("a")).toMatchObject({ output: { from: "before" }, isTakenOver: true });
  });

  test("of a run that is not begun at once starts where that one would", () => {
    const queued = new WalkDriver(line, always(succeeded)).advance([
      { type: "RUN_STATUS", status: "QUEUED" },
      taken("a"),
    ]);
    expect(queued.trail()).toEqual(["run.1 QUEUED", "a.3 SUCCEEDED"]);
    expect(queued.crash().trail().slice(2)).toEqual(["run.1 RUNNING", "b.1 RUNNING"]);
  });

  test("goes on from the same place after a crash", () => {
    const driver = rerun(line, [taken("a")])
      .end("b")
      .crash()
      .go();
    expect(begun(driver)).toEqual(["run.1 RUNNING", "b.1 RUNNING", "c.1 RUNNING", "c.2 RUNNING"]);
  });

  test("has nothing to do where everything was taken over", () => {
    const driver = rerun(line, [taken("a"), taken("b"), taken("c")]);
    expect(driver.walk.run.status).toBe("SUCCEEDED");
    expect(begun(driver)).toEqual(["run.1 RUNNING"]);
  });

  test("passes a failure that was handled as it was handled", () => {
    const handled = planOf([
      actionStep("a", { onFailure: { step: "rescue" }, onSuccess: "b", maxRetries: 5 }),
      actionStep("b"),
      actionStep("rescue", { onSuccess: "x", onFailure: "continue" }),
      actionStep("x"),
    ]);
    expect(begun(rerun(handled, [taken("a", "FAILED"), taken("rescue", "TIMED_OUT")]))).toEqual([
      "run.1 RUNNING",
      "x.1 RUNNING",
    ]);
  });

  test.each([
    [true, "yes"],
    [false, "no"],
  ])("takes the way its condition took: %s", (result, way) => {
    const plan = planOf([conditionStep("c", { onTrue: "yes", onFalse: "no" }), actionStep("yes"), actionStep("no")]);
    expect(begun(rerun(plan, [taken("c", "SUCCEEDED", { result })]))).toEqual(["run.1 RUNNING", `${way}.1 RUNNING`]);
  });

  test("passes what was skipped, and a delay that was over", () => {
    const plan = planOf([delayStep("d", { onSuccess: "s" }), actionStep("s", { onSuccess: "a" }), actionStep("a")]);
    expect(begun(rerun(plan, [taken("d"), taken("s", "SKIPPED")]))).toEqual(["run.1 RUNNING", "a.1 RUNNING"]);
  });

  test("asks again for an approval, which is not taken over", () => {
    const plan = planOf([
      actionStep("a", { onSuccess: "ask" }),
      approvalStep("ask", { onSuccess: "b" }),
      actionStep("b"),
    ]);
    const driver = rerun(plan, [taken("a")]);
    expect(driver.trail().at(-1)).toBe("ask.1 WAITING");
    expect(driver.decide("ask", "APPROVED").hear().trail().at(-1)).toBe("b.1 RUNNING");
  });

  test("keeps what it took over when the run is tried again as a whole", () => {
    const plan = { ...line, maxRetries: 1 };
    const driver = rerun(plan, [taken("a")], scripted({ c: [failed] })).go();
    expect(begun(driver)).toEqual([
      ...["run.1 RUNNING", "b.1 RUNNING", "c.1 RUNNING", "run.2 RUNNING", "b.1 RUNNING", "c.1 RUNNING"],
    ]);
    expect(driver.walk.run.steps.get("a")?.isTakenOver).toBe(true);
  });

  test("can be cancelled like any other", () => {
    const driver = rerun(line, [taken("a")])
      .cancel()
      .go();
    expect(driver.trail().slice(-2)).toEqual(["b.1 CANCELLED", "run.1 CANCELLED"]);
    expect(driver.statusOf("a")).toBe("SUCCEEDED");
  });
});

describe("a rerun of a parallel step", () => {
  const over = (join: "ALL" | "ANY", branches: readonly PlanStep[] = [actionStep("x"), actionStep("y")]) =>
    planOf([...parallelSteps("p", branches, { join, onSuccess: "b", maxRetries: 1 }), actionStep("b")]);

  test("passes it with all its branches where it was taken over", () => {
    expect(begun(rerun(over("ALL"), [taken("x"), taken("y"), taken("p")]))).toEqual(["run.1 RUNNING", "b.1 RUNNING"]);
  });

  test("runs only the branches that were not taken over", () => {
    const driver = rerun(over("ALL"), [taken("y")]);
    expect(begun(driver)).toEqual(["run.1 RUNNING", "p.1 RUNNING", "x.1 RUNNING"]);
    expect(driver.end("x").walk.run.steps.get("p")?.output).toEqual({ branches: { x: "succeeded", y: "succeeded" } });
  });

  test("runs only those again, too, when it is tried again", () => {
    const driver = rerun(over("ALL"), [taken("y")], scripted({ x: [failed, succeeded] })).go();
    expect(begun(driver).filter((word) => /^[xy]/.test(word))).toEqual(["x.1 RUNNING", "x.2 RUNNING"]);
    expect(driver.walk.run.status).toBe("SUCCEEDED");
  });

  test("joins at once where every branch was taken over", () => {
    const driver = rerun(over("ALL"), [taken("x"), taken("y")]);
    expect(driver.trail().slice(2)).toEqual(["run.1 RUNNING", "p.1 RUNNING", "p.1 SUCCEEDED", "b.1 RUNNING"]);
  });

  test("fails for a failure that was taken over, as often as it is tried, and ends", () => {
    const driver = rerun(over("ALL"), [taken("x", "FAILED"), taken("y")]).go();
    expect(driver.trail().filter((word) => word.startsWith("p"))).toEqual([
      ...["p.1 RUNNING", "p.1 FAILED", "p.2 WAITING", "p.2 RUNNING", "p.2 FAILED"],
    ]);
    expect(driver.walk.run.status).toBe("FAILED");
  });

  test("goes on with a branch that was taken over where join is any", () => {
    const driver = rerun(over("ANY"), [taken("y")]);
    expect(driver.trail().slice(-2)).toEqual(["p.1 SUCCEEDED", "b.1 RUNNING"]);
    expect(driver.go().walk.run.status).toBe("SUCCEEDED");
  });

  test("asks again for the approval among its branches", () => {
    const driver = rerun(over("ALL", [approvalStep("ask"), actionStep("x")]), [taken("x")]);
    expect(begun(driver)).toEqual(["run.1 RUNNING", "p.1 RUNNING", "ask.1 WAITING"]);
    expect(driver.decide("ask", "REJECTED").hear().walk.run.status).toBe("FAILED");
  });
});
