import { describe, expect, test } from "vitest";
import type { StepStatusFact } from "../../src/runs/events.ts";
import { rerunNotice, takeOver } from "../../src/runs/take-over.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import {
  actionStep,
  always,
  approvalStep,
  conditionStep,
  failed,
  parallelSteps,
  planOf,
  type Script,
  type ScriptedOutcome,
  scripted,
  succeeded,
  WalkDriver,
} from "./walk-driver.ts";

const timedOut: ScriptedOutcome = { status: "TIMED_OUT", error: { code: "timed_out", message: "Too slow." } };
const takenFrom = ({ plan, walk }: WalkDriver) => takeOver(plan, walk.run);
const idsOf = (facts: readonly StepStatusFact[]) => facts.map(({ stepId, status }) => `${stepId} ${status}`);
const ran = (plan: RunPlan, script: Script) => new WalkDriver(plan, script).begin().go();
const again = (driver: WalkDriver, script: Script = always(succeeded)) =>
  new WalkDriver(driver.plan, script).begin(takenFrom(driver));
/** What a rerun did by itself, as words. */
const own = (driver: WalkDriver) => driver.trail().slice(driver.events.findIndex(({ type }) => type === "RUN_STATUS"));

describe("a rerun", () => {
  test("takes over what succeeded as it was, and begins with the step that failed", () => {
    const plan = planOf([
      actionStep("a", { onSuccess: "c" }),
      conditionStep("c", { onTrue: "yes", onFalse: "no" }),
      actionStep("yes", { onSuccess: "b" }),
      actionStep("no"),
      actionStep("b"),
    ]);
    const script = scripted({
      a: [failed, { status: "SUCCEEDED", output: { n: 1 } }],
      c: [{ status: "SUCCEEDED", output: { result: true } }],
      yes: [{ status: "SKIPPED", isImmediate: true }],
      b: [failed],
    });
    const retried = {
      ...plan,
      steps: new Map(plan.steps).set("a", actionStep("a", { onSuccess: "c", maxRetries: 1 })),
    };
    const driver = ran(retried, script);
    expect(takenFrom(driver)[0]).toEqual({
      ...{ type: "STEP_STATUS", stepId: "a", attempt: 2, status: "SUCCEEDED", output: { n: 1 } },
      isTakenOver: true,
    });
    expect(idsOf(takenFrom(driver))).toEqual(["a SUCCEEDED", "c SUCCEEDED", "yes SKIPPED"]);
    expect(own(again(driver).go())).toEqual(["run.1 RUNNING", "b.1 RUNNING", "b.1 SUCCEEDED", "run.1 SUCCEEDED"]);
  });

  test.each([
    ["continue" as const, "b"],
    [{ step: "rescue" }, "rescue"],
  ])("goes by the same way past a failure that was handled: %j", (onFailure, next) => {
    const plan = planOf([actionStep("a", { onSuccess: "b", onFailure }), actionStep("b"), actionStep("rescue")]);
    for (const outcome of [failed, timedOut]) {
      const driver = ran(plan, scripted({ a: [outcome], b: [failed], rescue: [failed] }));
      expect(takenFrom(driver)).toEqual([
        { type: "STEP_STATUS", stepId: "a", attempt: 1, ...outcome, isFinal: true, isTakenOver: true },
      ]);
      const rerun = again(driver).go();
      expect(own(rerun)[1]).toBe(`${next}.1 RUNNING`);
      expect(rerun.walk.run.status).toBe("SUCCEEDED");
    }
  });

  test("does not take a failure for handled that had tries left when the run was told to stop", () => {
    const plan = planOf([actionStep("a", { onSuccess: "b", onFailure: "continue", maxRetries: 2 }), actionStep("b")]);
    const driver = new WalkDriver(plan, always(failed)).begin().go((now) => now.statusOf("a") === "WAITING");
    expect(takenFrom(driver.cancel().go())).toEqual([]);
    const stopped = new WalkDriver(plan, always(failed)).begin();
    stopped.advance([{ type: "NOTICE", code: "cancel_requested", message: "Cancelled by ann." }]);
    stopped.advance([{ type: "STEP_STATUS", stepId: "a", attempt: 1, ...failed }]);
    expect([stopped.walk.run.status, stopped.statusOf("a"), takenFrom(stopped)]).toEqual(["CANCELLED", "FAILED", []]);
  });

  test("takes over nothing that broke with the run", () => {
    const plan = planOf([actionStep("a", { onFailure: "continue", onSuccess: "b" }), actionStep("b")]);
    const error = { code: "internal_error", message: "The run could not be written down." };
    const driver = new WalkDriver(plan, always(succeeded)).begin();
    const outcome = { status: "FAILED", error } as const;
    driver.advance([
      { type: "STEP_STATUS", stepId: "a", attempt: 1, ...outcome, isFinal: true },
      { type: "RUN_STATUS", ...outcome },
    ]);
    expect(takenFrom(driver)).toEqual([]);
  });

  test("asks people again, also in a parallel step, of which the other branches are taken over", () => {
    const plan = planOf([
      approvalStep("ask", { onSuccess: "a" }),
      actionStep("a", { onSuccess: "fork" }),
      ...parallelSteps("fork", [actionStep("left"), approvalStep("right")], { onSuccess: "b" }),
      actionStep("b"),
    ]);
    const driver = ran(plan, scripted({ b: [failed] }));
    expect(idsOf(takenFrom(driver))).toEqual(["a SUCCEEDED", "left SUCCEEDED"]);
    expect(own(again(driver).go())).toEqual([
      ..."run.1 RUNNING,ask.1 WAITING,ask.1 SUCCEEDED,fork.1 RUNNING,right.1 WAITING,right.1 SUCCEEDED".split(","),
      ..."fork.1 SUCCEEDED,b.1 RUNNING,b.1 SUCCEEDED,run.1 SUCCEEDED".split(","),
    ]);
  });

  test("begins the branches of a failed parallel step that had not succeeded, and no other", () => {
    const plan = planOf(
      parallelSteps("fork", [
        actionStep("good"),
        actionStep("passed", { onFailure: "continue" }),
        actionStep("bad"),
        actionStep("slow"),
      ]),
    );
    const driver = ran(plan, scripted({ passed: [failed], bad: [failed], slow: [timedOut] }));
    expect(idsOf(takenFrom(driver))).toEqual(["good SUCCEEDED", "passed FAILED"]);
    const rerun = again(driver).go();
    expect(own(rerun)).toEqual([
      ..."run.1 RUNNING,fork.1 RUNNING,bad.1 RUNNING,slow.1 RUNNING".split(","),
      ..."bad.1 SUCCEEDED,slow.1 SUCCEEDED,fork.1 SUCCEEDED,run.1 SUCCEEDED".split(","),
    ]);
  });

  test("takes a parallel step over with its branches where its failure was handled", () => {
    const plan = planOf([
      ...parallelSteps("fork", [actionStep("good"), actionStep("bad")], { onFailure: { step: "rescue" } }),
      actionStep("rescue"),
    ]);
    const driver = ran(plan, scripted({ bad: [failed], rescue: [failed] }));
    expect(idsOf(takenFrom(driver))).toEqual(["fork FAILED", "good SUCCEEDED", "bad FAILED"]);
    expect(own(again(driver).go())[1]).toBe("rescue.1 RUNNING");
  });

  test("begins again the branches that the end of the run cut off", () => {
    const plan = planOf([
      ...parallelSteps("fork", [actionStep("quick"), actionStep("slow")], { join: "ANY", onSuccess: "b" }),
      actionStep("b"),
    ]);
    const driver = new WalkDriver(plan, always(succeeded)).begin().end("quick").end("b");
    driver.cancel();
    driver.advance([{ type: "STEP_STATUS", stepId: "slow", attempt: 1, status: "CANCELLED" }]);
    expect(driver.walk.run.status).toBe("CANCELLED");
    expect(idsOf(takenFrom(driver))).toEqual(["quick SUCCEEDED", "b SUCCEEDED"]);
    const rerun = again(driver).go();
    expect(own(rerun)).toEqual([
      ..."run.1 RUNNING,fork.1 RUNNING,slow.1 RUNNING,fork.1 SUCCEEDED,slow.1 SUCCEEDED,run.1 SUCCEEDED".split(","),
    ]);
  });

  test("keeps what it took over when the whole playbook is run again, and from rerun to rerun", () => {
    const steps = [actionStep("a", { onSuccess: "b" }), actionStep("b", { onFailure: "retry" })];
    const driver = ran(planOf(steps, { maxRetries: 1 }), scripted({ b: [failed] }));
    const rerun = again(driver, always(failed)).go();
    expect(own(rerun)).toEqual(
      "run.1 RUNNING,b.1 RUNNING,b.1 FAILED,run.2 RUNNING,b.1 RUNNING,b.1 FAILED,run.2 FAILED".split(","),
    );
    expect(idsOf(takenFrom(rerun))).toEqual(["a SUCCEEDED"]);
    expect(again(rerun).go().walk.run.status).toBe("SUCCEEDED");
  });

  test("says what it takes over, and cuts that short", () => {
    const fact = (stepId: string) => ({ stepId }) as StepStatusFact;
    expect(rerunNotice([fact("a"), fact("b")])).toMatchObject({
      code: "rerun_of",
      message: expect.stringMatching(/a, b$/),
    });
    expect(rerunNotice(Array(1_000).fill(fact("a".repeat(100)))).message.length).toBe(2_000);
    expect(rerunNotice([]).message).toContain("Nothing");
  });
});
