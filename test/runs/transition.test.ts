import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { actionPlan } from "../../src/runs/action-plan.ts";
import { retryDelay } from "../../src/runs/outcome-rules.ts";
import {
  actionStep,
  always,
  conditionStep,
  failed,
  planOf,
  type Script,
  scripted,
  succeeded,
  WalkDriver,
} from "./walk-driver.ts";

describe("a playbook", () => {
  const two = planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]);

  test("runs step after step and succeeds with the last", () => {
    const { walk, events } = new WalkDriver(two, always(succeeded)).begin().go();
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(walk.run).toMatchObject({ status: "SUCCEEDED", startedAt: 1_000, finishedAt: 1_000 });
  });

  test("starts a step in the same hand-over as the outcome before it", () => {
    const driver = new WalkDriver(two, always(succeeded)).begin().go();
    expect(driver.boundaries).toEqual([2, 4, 6]);
  });

  test("goes on after a simulated and after a skipped step as after a success", () => {
    const script = scripted({ a: [{ status: "SIMULATED" }], b: [{ status: "SKIPPED", isImmediate: true }] });
    expect(new WalkDriver(two, script).begin().go().trail()).toEqual([
      "run.1 RUNNING",
      "a.1 RUNNING",
      "a.1 SIMULATED",
      "b.1 SKIPPED",
      "run.1 SUCCEEDED",
    ]);
  });

  test("is cancelled when an executor says of itself that it was", () => {
    expect(new WalkDriver(two, always({ status: "CANCELLED" })).begin().go().walk.run.status).toBe("CANCELLED");
  });

  test.each([
    ["result: true", { result: true }, "yes"],
    ["result: false", { result: false }, "no"],
    ["anything else", null, "no"],
  ])("takes the way of its condition: %s", (_name, output, way) => {
    const plan = planOf([conditionStep("c", { onTrue: "yes", onFalse: "no" }), actionStep("yes"), actionStep("no")]);
    const script = scripted({ c: [{ status: "SUCCEEDED", output }] });
    expect([...new WalkDriver(plan, script).begin().go().walk.run.steps.keys()]).toEqual(["c", way]);
  });
});

describe("a step that fails", () => {
  const run = (rest: Parameters<typeof actionStep>[1], script: Script, plan = {}) =>
    new WalkDriver(
      planOf([actionStep("a", { onSuccess: "b", ...rest }), actionStep("b"), actionStep("rescue")], plan),
      script,
    )
      .begin()
      .go();

  test("aborts the run, which names the step and its error", () => {
    const { walk } = run({ onFailure: "abort" }, scripted({ a: [failed] }));
    expect(walk.run).toMatchObject({ status: "FAILED", error: { code: "exit_code", message: "Step a: It broke." } });
  });

  test("lets the run go on as on success with on_failure: continue", () => {
    const driver = run({ onFailure: "continue" }, scripted({ a: [failed] }));
    expect(driver.trail().slice(-3)).toEqual(["b.1 RUNNING", "b.1 SUCCEEDED", "run.1 SUCCEEDED"]);
    expect(driver.walk.run.steps.get("a")?.status).toBe("FAILED");
  });

  test("leads to the step that on_failure names", () => {
    expect([...run({ onFailure: { step: "rescue" } }, scripted({ a: [failed] })).walk.run.steps.keys()]).toEqual([
      "a",
      "rescue",
    ]);
  });

  test("makes the whole playbook run again, at most its max_retries times, with on_failure: retry", () => {
    const driver = run({ onFailure: "retry" }, scripted({ a: [failed] }), { maxRetries: 2 });
    expect(driver.trail().filter((word) => word.startsWith("run"))).toEqual([
      "run.1 RUNNING",
      "run.2 RUNNING",
      "run.3 RUNNING",
      "run.3 FAILED",
    ]);
  });

  test("counts its retries anew in the next attempt of the run, whose steps are its own", () => {
    const script: Script = ({ runAttempt, stepId }) => (stepId === "a" && runAttempt === 1 ? failed : succeeded);
    const driver = run({ onFailure: "retry", maxRetries: 1 }, script, { maxRetries: 1 });
    expect(driver.trail()).toEqual([
      ..."run.1 RUNNING,a.1 RUNNING,a.1 FAILED,a.2 WAITING,a.2 RUNNING,a.2 FAILED".split(","),
      ..."run.2 RUNNING,a.1 RUNNING,a.1 SUCCEEDED,b.1 RUNNING,b.1 SUCCEEDED,run.2 SUCCEEDED".split(","),
    ]);
    expect(driver.walk.run.steps.get("a")).toMatchObject({ status: "SUCCEEDED", attempt: 1 });
  });

  test("is tried again before its on_failure applies, and not once it has succeeded", () => {
    const driver = run(
      { maxRetries: 3, retryDelayMs: 70 },
      scripted({ a: [failed, { ...failed, status: "TIMED_OUT" }, succeeded] }),
    );
    expect(driver.delays).toEqual([70, 70]);
    expect(driver.walk.run.status).toBe("SUCCEEDED");
  });

  test("has its action's attempts, the backoff doubling, in each of its own tries", () => {
    const retry = { maxAttempts: 3, backoffMs: 10 };
    const driver = run({ maxRetries: 1, retryDelayMs: 500 }, scripted({ a: [{ ...failed, retry }] }));
    expect(driver.delays).toEqual([10, 20, 500, 10, 20]);
  });

  test("is not tried again when that can't help", () => {
    const script = scripted({ a: [{ ...failed, isFinal: true, retry: { maxAttempts: 9, backoffMs: 1 } }] });
    const driver = run({ maxRetries: 5, onFailure: "continue" }, script);
    expect(driver.delays).toEqual([]);
    expect(driver.walk.run.status).toBe("SUCCEEDED");
  });

  test("never waits longer than the bound", () => {
    const retry = { maxAttempts: 60, backoffMs: 60_000 };
    expect(Math.max(...run({}, scripted({ a: [{ ...failed, retry }] })).delays)).toBe(limits.backoffMsMax);
  });

  test("is not refused a try for the attempts that ended with their node", () => {
    const step = actionStep("a", { maxRetries: 1, retryDelayMs: 5 });
    const state = { stepId: "a", status: "FAILED" as const, firstAttempt: 1, warnings: [] };
    const delays = [1, 2, 3, 4].map((attempt) => retryDelay(step, { ...state, attempt, interruptions: 2 }));
    expect(delays.slice(2)).toEqual([5, undefined]);
  });
});

describe("an action executed by itself", () => {
  const plan = actionPlan({ actionId: "x", name: "x", version: "1.0.0" });
  const outcome = (script: Script) => new WalkDriver(plan, script).begin().go().walk.run;

  test.each(["SUCCEEDED", "TIMED_OUT", "SKIPPED", "CANCELLED"] as const)("ends as its step ends: %s", (status) => {
    expect(outcome(always({ status })).status).toBe(status);
  });

  test("fails with its step's own error", () => {
    expect(outcome(always(failed))).toMatchObject({ status: "FAILED", error: failed.error });
  });

  test("is tried as often as its definition says", () => {
    const retry = { maxAttempts: 3, backoffMs: 8 };
    const driver = new WalkDriver(plan, scripted({ action: [{ ...failed, retry }, failed, succeeded] })).begin().go();
    expect(driver.delays).toEqual([8, 16]);
    expect(driver.walk.run.status).toBe("SUCCEEDED");
  });
});

describe("a step whose node died", () => {
  const plan = planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]);

  test("is run again, as the next attempt", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin();
    driver.crash();
    expect(driver.go().trail().slice(1, 5)).toEqual([
      "a.1 RUNNING",
      "step_interrupted",
      "a.2 RUNNING",
      "a.2 SUCCEEDED",
    ]);
  });

  test("fails with effect_unknown, for good, where its action must not be run twice", () => {
    const careful = planOf([actionStep("a", { maxRetries: 5 })]);
    const driver = new WalkDriver(careful, always({ ...succeeded, onInterrupt: "fail" })).begin();
    driver.crash();
    expect(driver.walk.run).toMatchObject({ status: "FAILED", error: { code: "effect_unknown" } });
  });

  test("fails when it has taken too many nodes with it", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin();
    for (let deaths = 0; deaths <= limits.interruptionsMax; deaths += 1) driver.crash();
    expect(driver.walk.run).toMatchObject({ status: "FAILED", error: { code: "interrupted" } });
  });

  test("is cancelled where the run had been told to stop", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin();
    driver.cancel().crash();
    expect(driver.trail().slice(-2)).toEqual(["a.1 CANCELLED", "run.1 CANCELLED"]);
    expect(driver.walk.run.steps.get("a")?.error?.code).toBe("effect_unknown");
  });

  test("is cancelled where the run is told to stop with the next node's first breath", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin().say("CANCEL", { by: "ann" });
    expect(driver.crash().trail().slice(-3)).toEqual(["cancel_requested", "a.1 CANCELLED", "run.1 CANCELLED"]);
  });

  test("is not run again where the run's time was over meanwhile", () => {
    const bounded = new WalkDriver({ ...plan, timeoutMs: 60_000 }, always(succeeded)).begin();
    expect(bounded.crash({ downMs: 70_000 }).trail().slice(-3)).toEqual([
      "run_timed_out",
      "a.1 CANCELLED",
      "run.1 TIMED_OUT",
    ]);
  });

  test("is cancelled where the run is told to stop before it runs again", () => {
    const slow = new WalkDriver(plan, ({ attempt }) => (attempt === 1 ? succeeded : { ...succeeded, isSlow: true }));
    slow.begin().crash();
    expect(slow.cancel().trail().slice(-4)).toEqual([
      "step_interrupted",
      "cancel_requested",
      "a.1 CANCELLED",
      "run.1 CANCELLED",
    ]);
  });

  test("starts when its inputs are known, also where the node that asked for them died", () => {
    const slow = new WalkDriver(plan, always({ ...succeeded, isSlow: true })).begin().crash().go();
    expect(slow.trail().slice(1, 3)).toEqual(["a.1 RUNNING", "a.1 SUCCEEDED"]);
  });

  test("hears again what the node that died had heard and not written", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin().cancel();
    expect(driver.crash({ lost: 1 }).trail().slice(2)).toEqual([
      "cancel_requested",
      "a.1 CANCELLED",
      "run.1 CANCELLED",
    ]);
  });
});

describe("an event that is old news", () => {
  test("changes no outcome and starts nothing", () => {
    const plan = planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]);
    const driver = new WalkDriver(plan, always(succeeded)).begin().go((now) => now.walk.run.steps.has("b"));
    driver.advance([{ type: "STEP_STATUS", stepId: "a", attempt: 1, ...failed }]);
    expect(driver.walk.run.steps.get("a")).toMatchObject({ status: "SUCCEEDED", output: {} });
    expect(driver.trail().slice(-2)).toEqual(["b.1 RUNNING", "a.1 FAILED"]);
  });

  test("of an earlier try does not end the one that waits", () => {
    const plan = planOf([actionStep("a", { maxRetries: 1, retryDelayMs: 50 })]);
    const driver = new WalkDriver(plan, always(failed)).begin().end("a");
    driver.advance([{ type: "STEP_STATUS", stepId: "a", attempt: 1, ...succeeded }]);
    expect(driver.walk.run.steps.get("a")).toMatchObject({ status: "WAITING", attempt: 2 });
  });

  test("tells of no interruption of what has ended", () => {
    const plan = planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]);
    const driver = new WalkDriver(plan, always(succeeded)).begin().end("a");
    driver.advance([{ type: "NOTICE", stepId: "a", code: "step_interrupted", message: "Old." }]);
    expect(driver.walk.ready.size).toBe(0);
    expect(driver.statusOf("a")).toBe("SUCCEEDED");
  });
});
