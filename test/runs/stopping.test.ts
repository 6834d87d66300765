import { describe, expect, test } from "vitest";
import type { Fact } from "../../src/runs/events.ts";
import { transition, wake } from "../../src/runs/transition.ts";
import { actionStep, always, failed, planOf, scripted, succeeded, WalkDriver } from "./walk-driver.ts";

const cancel = { type: "NOTICE", code: "cancel_requested", message: "Cancelled by ann." } as const;
const timeOver = { type: "NOTICE", code: "run_timed_out", message: "The run's time was over." } as const;
const disabled = { type: "NOTICE", code: "tenant_disabled", message: "The tenant is disabled." } as const;

describe("a run that is told to stop", () => {
  const plan = planOf([
    actionStep("a", { onSuccess: "b", maxRetries: 9, retryDelayMs: 5, onFailure: "continue" }),
    actionStep("b"),
  ]);
  const stopped = (at: string, notice: typeof cancel | typeof timeOver | typeof disabled, outcome = failed) => {
    const driver = new WalkDriver(plan, always(outcome)).begin().go((now) => now.trail().at(-1) === at);
    return driver.advance([notice]).go();
  };

  test.each(["a.1 RUNNING", "a.2 WAITING", "b.1 RUNNING"])("is cancelled from %s on, and starts nothing more", (at) => {
    const driver = stopped(at, cancel, at.startsWith("b") ? succeeded : failed);
    const step = at.split(" ")[0];
    expect(driver.trail().slice(-3)).toEqual(["cancel_requested", `${step} CANCELLED`, "run.1 CANCELLED"]);
    expect(driver.walk.run.error).toEqual({ code: "cancelled", message: cancel.message });
  });

  test.each(["a.1 RUNNING", "a.2 WAITING", "b.1 RUNNING"])("fails from %s on where its tenant is disabled", (at) => {
    const driver = stopped(at, disabled, at.startsWith("b") ? succeeded : failed);
    const step = at.split(" ")[0];
    expect(driver.trail().slice(-3)).toEqual(["tenant_disabled", `${step} CANCELLED`, "run.1 FAILED"]);
    expect(driver.walk.run.error).toEqual({ code: "tenant_disabled", message: disabled.message });
  });

  test("ends as it was told first", () => {
    const slow = new WalkDriver(plan, always({ ...succeeded, isSlow: true })).begin();
    expect(slow.advance([cancel, disabled]).walk.run.status).toBe("CANCELLED");
  });

  test("is cancelled before its first step has started", () => {
    const driver = new WalkDriver(plan, always(succeeded)).advance([{ type: "RUN_STATUS", status: "QUEUED" }, cancel]);
    expect(driver.trail()).toEqual(["run.1 QUEUED", "cancel_requested", "run.1 CANCELLED"]);
  });

  test("is cancelled while the inputs of its step are worked out, which does not start when they are", () => {
    const slow = new WalkDriver(plan, always({ ...succeeded, isSlow: true })).begin().cancel();
    expect(slow.trail()).toEqual(["run.1 RUNNING", "cancel_requested", "run.1 CANCELLED"]);
    slow.advance([{ type: "PREPARED", stepId: "a", attempt: 1 }]);
    expect(slow.statusOf("a")).toBeUndefined();
  });

  test("is cancelled while the inputs of a retry are worked out: no executor is there to say so", () => {
    const slow = scripted({ a: [failed, { ...succeeded, isSlow: true }] });
    const driver = new WalkDriver(plan, slow).begin().go((now) => now.preparing.has("a"));
    expect(driver.cancel().trail().slice(-3)).toEqual(["cancel_requested", "a.2 CANCELLED", "run.1 CANCELLED"]);
  });

  test("ends at once what was prepared just before, though it hears of both together", () => {
    const driver = new WalkDriver(plan, always({ ...succeeded, isSlow: true })).begin().hold();
    driver
      .advance([{ type: "PREPARED", stepId: "a", attempt: 1 }])
      .say("CANCEL", { by: "ann" })
      .hear()
      .settle();
    expect(driver.go().trail().slice(1)).toEqual([
      "a.1 RUNNING",
      "cancel_requested",
      "a.1 CANCELLED",
      "run.1 CANCELLED",
    ]);
  });

  test("does not try again what failed just before, though it hears of both together", () => {
    const driver = new WalkDriver(plan, always(failed)).begin().hold();
    driver.advance([{ type: "STEP_STATUS", stepId: "a", attempt: 1, ...failed }, cancel]).settle();
    expect(driver.trail().slice(2)).toEqual(["a.1 FAILED", "cancel_requested", "run.1 CANCELLED"]);
  });

  test("is not run again as a whole when what asks for it comes just before", () => {
    const again = planOf([actionStep("a", { onFailure: "retry" })], { maxRetries: 3 });
    const driver = new WalkDriver(again, always(failed)).begin().hold();
    driver.advance([{ type: "STEP_STATUS", stepId: "a", attempt: 1, ...failed }, cancel]).settle();
    expect(driver.trail().slice(2)).toEqual(["a.1 FAILED", "cancel_requested", "run.1 CANCELLED"]);
  });

  test("is timed out when its time was over, also while it waits", () => {
    expect(stopped("a.2 WAITING", timeOver).walk.run).toMatchObject({
      status: "TIMED_OUT",
      error: { code: "run_timed_out" },
    });
  });

  test("is timed out by the clock, and not before", () => {
    const bounded = new WalkDriver({ ...plan, timeoutMs: 60_000 }, always(succeeded)).begin();
    expect(bounded.elapse(59_999).walk.run.ending).toBeUndefined();
    expect(bounded.elapse(1).go().walk.run).toMatchObject({ status: "TIMED_OUT", finishedAt: 61_000 });
  });

  test("ends as the first word said, whatever comes later", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin().advance([timeOver, cancel]).go();
    expect(driver.walk.run.status).toBe("TIMED_OUT");
  });

  test("keeps the outcome of a step that came before the cancel reached it, and goes no further", () => {
    const driver = new WalkDriver(plan, always(succeeded)).begin();
    driver.advance([cancel, { type: "STEP_STATUS", stepId: "a", attempt: 1, ...succeeded }]);
    expect(driver.trail().at(-1)).toBe("run.1 CANCELLED");
    expect(driver.statusOf("a")).toBe("SUCCEEDED");
    expect(driver.statusOf("b")).toBeUndefined();
  });

  test.each<[string, Fact]>([
    ["begins all the same", { type: "STEP_STATUS", stepId: "b", attempt: 1, status: "RUNNING" }],
    ["was interrupted", { type: "NOTICE", stepId: "a", code: "step_interrupted", message: "m" }],
  ])("stops a step that %s", (_name, late) => {
    const { walk } = new WalkDriver(plan, always(succeeded)).begin().advance([cancel]);
    const [, commands] = transition(plan, walk, { ...late, sequence: 4, at: 1_000, runAttempt: 1 });
    expect(commands).toEqual([{ type: "CANCEL_STEP", stepId: "stepId" in late ? late.stepId : "" }]);
  });

  test("is not timed out, too, while it waits for what it has told to end", () => {
    const driver = new WalkDriver({ ...plan, timeoutMs: 60_000 }, always(succeeded)).begin().cancel().elapse(90_000);
    expect(driver.go().trail().slice(-3)).toEqual(["cancel_requested", "a.1 CANCELLED", "run.1 CANCELLED"]);
  });

  test("wakes nothing that waits", () => {
    const { walk } = new WalkDriver(plan, always(failed)).begin().end("a");
    const [ending] = transition(plan, walk, { ...cancel, sequence: 5, at: 1_000, runAttempt: 1 });
    expect(wake(walk, "a")[1]).toEqual([{ type: "START_STEP", stepId: "a", attempt: 2 }]);
    expect(wake(ending, "a")[1]).toEqual([]);
  });
});
