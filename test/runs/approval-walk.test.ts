import { describe, expect, test } from "vitest";
import type { PlanApprovalStep, PlanParallelStep, PlanStep } from "../../src/playbooks/plan.ts";
import type { DecisionBody } from "../../src/runs/signal.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import {
  actionStep,
  always,
  approvalStep,
  failed,
  parallelSteps,
  planOf,
  type Script,
  scripted,
  succeeded,
  WalkDriver,
} from "./walk-driver.ts";

const walked = (plan: RunPlan, script: Script = always(succeeded)) => new WalkDriver(plan, script).begin();

/** `ask`, then `isolate`; `notify` and `escalate` are reached by name only. */
function playbook(rest: Partial<PlanApprovalStep> = {}, run: Partial<RunPlan> = {}): RunPlan {
  const ask = approvalStep("ask", { onSuccess: "isolate", ...rest });
  return planOf([ask, actionStep("isolate"), actionStep("notify"), actionStep("escalate")], run);
}

/** `ask` beside other branches, then `isolate`. */
function beside(branches: readonly PlanStep[], rest: Partial<PlanParallelStep> = {}, run: Partial<RunPlan> = {}) {
  const parallel = parallelSteps("p", [approvalStep("ask"), ...branches], { onSuccess: "isolate", ...rest });
  return planOf([...parallel, actionStep("isolate"), actionStep("notify")], run);
}

const decided = (driver: WalkDriver, status: DecisionBody["status"]) => driver.decide("ask", status).hear();
const unapproved = ["REJECTED", "EXPIRED"] as const;
/** Everything that goes on after a failure, and what a "no" has to be proof against. */
const goingOn = [
  ["continue", { onFailure: "continue" }],
  ["retry", { onFailure: "retry" }],
  ["tries of its own", { maxRetries: 3 }],
  ["tries of its own, then continue", { maxRetries: 3, onFailure: "continue" }],
] as const;

describe("an approval", () => {
  test("waits for people, and goes on with what they said", () => {
    const driver = walked(playbook());
    expect(driver.trail()).toEqual(["run.1 RUNNING", "ask.1 WAITING"]);
    expect(decided(driver, "APPROVED").trail().slice(-2)).toEqual(["ask.1 SUCCEEDED", "isolate.1 RUNNING"]);
    expect(driver.walk.run.steps.get("ask")?.output).toEqual({
      decision: "approved",
      decidedBy: "bob",
      comment: null,
    });
  });

  test.each([
    ["REJECTED", "approval_rejected"],
    ["EXPIRED", "approval_expired"],
  ] as const)("that is %s aborts the run", (status, code) => {
    const { run } = decided(walked(playbook()), status).walk;
    expect(run).toMatchObject({ status: "FAILED", error: { code } });
    expect([...run.steps.keys()]).toEqual(["ask"]);
    expect(run.steps.get("ask")?.isFinal).toBe(true);
  });

  test.each(unapproved)("that is %s goes to the step that is named for it, and only to that", (status) => {
    const named = { onFailure: { step: "notify" }, onTimeout: { step: "escalate" } } as const;
    const { steps } = decided(walked(playbook(named)), status).go().walk.run;
    expect([...steps.keys()]).toEqual(["ask", status === "REJECTED" ? "notify" : "escalate"]);
  });

  test.each(unapproved)("that is %s aborts the run where a step is named for the other only", (status) => {
    const named = status === "REJECTED" ? { onTimeout: { step: "notify" } } : { onFailure: { step: "notify" } };
    expect(decided(walked(playbook(named as object)), status).walk.run.status).toBe("FAILED");
  });

  // A plan never holds this; the walk does not rely on it.
  test.each(unapproved.flatMap((status) => goingOn.map(([name, rest]) => [status, name, rest] as const)))(
    "that is %s never goes on by %s",
    (status, _name, rest) => {
      const onTimeout = "onFailure" in rest ? rest.onFailure : "abort";
      const plan = playbook({ ...rest, onTimeout } as object, { maxRetries: 2 });
      const driver = decided(walked(plan), status).go();
      expect(driver.statusOf("isolate")).toBeUndefined();
      expect(driver.walk.run.status).toBe("FAILED");
    },
  );

  test("expires when its time is over, as its row says", () => {
    const driver = walked(playbook({ timeoutMs: 60_000 })).elapse(60_000);
    expect(driver.statusOf("ask")).toBe("WAITING");
    expect(driver.hear().statusOf("ask")).toBe("TIMED_OUT");
  });

  test("that was approved in the moment its time was over is approved", () => {
    const driver = walked(playbook({ timeoutMs: 60_000 }))
      .decide("ask", "APPROVED")
      .elapse(60_000)
      .hear();
    expect(driver.trail().at(-1)).toBe("isolate.1 RUNNING");
  });

  test("is not asked again after a crash", () => {
    const driver = walked(playbook()).crash().crash({ downMs: 1e9 });
    expect(driver.trail()).toEqual(["run.1 RUNNING", "ask.1 WAITING"]);
    expect(decided(driver, "APPROVED").go().walk.run.status).toBe("SUCCEEDED");
  });

  test("hears after a crash what was decided meanwhile, once", () => {
    const driver = decided(walked(playbook()), "APPROVED").crash({ lost: 1 });
    expect(driver.trail()).toEqual(["run.1 RUNNING", "ask.1 WAITING", "ask.1 SUCCEEDED", "isolate.1 RUNNING"]);
    expect(driver.hear().events.length).toBe(4);
  });

  test("is asked again in the next attempt of the run", () => {
    const again = planOf(
      [approvalStep("ask", { onSuccess: "isolate" }), actionStep("isolate", { onFailure: "retry" })],
      { maxRetries: 1 },
    );
    const driver = decided(walked(again, always(failed)), "APPROVED").go((now) => now.walk.run.runAttempt === 2);
    expect(driver.trail().slice(-2)).toEqual(["run.2 RUNNING", "ask.1 WAITING"]);
    expect(decided(driver, "REJECTED").trail().slice(-2)).toEqual(["ask.1 FAILED", "run.2 FAILED"]);
  });
});

describe("what is decided twice, or too late", () => {
  const word = (status: DecisionBody["status"], approvalId = "approval-1") =>
    ({ approvalId, stepId: "ask", status, by: "eve" }) as const;

  test("is told as just that when the step waits no more", () => {
    const driver = decided(walked(playbook()), "APPROVED").say("APPROVAL", word("REJECTED")).hear();
    expect(driver.trail().slice(-3)).toEqual(["ask.1 SUCCEEDED", "isolate.1 RUNNING", "approval_too_late"]);
  });

  test.each([
    ["APPROVED", "REJECTED"],
    ["REJECTED", "APPROVED"],
  ] as const)("ends the step once where both are heard together: %s, then %s", (first, second) => {
    const driver = walked(playbook()).say("APPROVAL", word(first)).say("APPROVAL", word(second)).hear();
    const status = first === "APPROVED" ? "SUCCEEDED" : "FAILED";
    expect(driver.trail().slice(2, 4)).toEqual([`ask.1 ${status}`, "approval_too_late"]);
    expect(driver.statusOf("ask")).toBe(status);
  });

  test("about another request than the one that is open decides nothing", () => {
    const driver = walked(playbook()).say("APPROVAL", word("APPROVED", "approval-0")).hear();
    expect(driver.trail().slice(2)).toEqual(["approval_too_late"]);
    expect(driver.statusOf("ask")).toBe("WAITING");
  });

  test("comes to nothing after a cancel", () => {
    const plan = beside([actionStep("x")]);
    const driver = walked(plan).cancel().say("APPROVAL", word("APPROVED")).hear().go();
    expect(driver.trail().slice(4)).toEqual([
      ...["cancel_requested", "p.1 CANCELLED", "ask.1 CANCELLED", "approval_too_late", "x.1 CANCELLED"],
      "run.1 CANCELLED",
    ]);
  });

  test.each([
    ["the cancel first", ["cancel_requested", "ask.1 SUCCEEDED", "run.1 CANCELLED"]],
    ["the decision first", ["ask.1 SUCCEEDED", "cancel_requested", "run.1 CANCELLED"]],
  ] as const)("lets a run be cancelled that hears of a cancel together with it: %s", (order, trail) => {
    const driver = walked(playbook());
    if (order === "the decision first") driver.decide("ask", "APPROVED").say("CANCEL", { by: "ann" });
    else driver.say("CANCEL", { by: "ann" }).decide("ask", "APPROVED");
    expect(driver.hear().trail().slice(2)).toEqual(trail);
    expect(driver.statusOf("isolate")).toBeUndefined();
  });

  test.each(["the cancel first", "the decision first"])("lets a joining step have one outcome then: %s", (order) => {
    const driver = walked(beside([]));
    if (order === "the decision first") driver.decide("ask", "APPROVED").say("CANCEL", { by: "ann" });
    else driver.say("CANCEL", { by: "ann" }).decide("ask", "APPROVED");
    expect(
      driver
        .hear()
        .trail()
        .filter((one) => one.startsWith("p.1")).length,
    ).toBe(2);
    expect(driver.walk.run.status).toBe("CANCELLED");
  });

  test("lets the first of two branches decide for join: any, though both are heard together", () => {
    const both = parallelSteps("p", [approvalStep("ask"), approvalStep("other")], {
      join: "ANY",
      onSuccess: "isolate",
    });
    const driver = walked(planOf([...both, actionStep("isolate")]));
    driver.decide("other", "APPROVED").decide("ask", "REJECTED").hear();
    expect(driver.trail().slice(4)).toEqual([
      ...["other.1 SUCCEEDED", "ask.1 FAILED", "p.1 SUCCEEDED", "isolate.1 RUNNING"],
    ]);
  });
});

describe("a run that waits for people", () => {
  test("is timed out when its time was over, and asks nobody any more", () => {
    const driver = walked(playbook({}, { timeoutMs: 60_000 })).elapse(60_000);
    expect(driver.trail().slice(2)).toEqual(["run_timed_out", "ask.1 CANCELLED", "run.1 TIMED_OUT"]);
  });

  test("is timed out, not expired, where both fall due together", () => {
    const driver = walked(playbook({ timeoutMs: 60_000 }, { timeoutMs: 60_000 })).elapse(90_000);
    expect(driver.walk.run.status).toBe("TIMED_OUT");
  });

  test("is cancelled at once", () => {
    expect(walked(playbook()).cancel().trail().slice(-2)).toEqual(["ask.1 CANCELLED", "run.1 CANCELLED"]);
  });
});

describe("an approval inside a parallel step", () => {
  const ways = [...goingOn, ["abort", {}], ["the playbook's retry", { onFailure: "retry" }]] as const;
  const cases = unapproved.flatMap((status) => ways.map(([name, rest]) => [status, name, rest] as const));

  test.each(cases)("that is %s never lets it go on by %s, with join: all", (status, _name, rest) => {
    const driver = decided(walked(beside([actionStep("x")], rest, { maxRetries: 2 })), status).go();
    expect(driver.trail()).toContain(`p.1 ${status === "REJECTED" ? "FAILED" : "TIMED_OUT"}`);
    expect(driver.trail().at(-1)).toBe("run.1 FAILED");
    expect(driver.statusOf("isolate")).toBeUndefined();
  });

  test.each(cases)("that is %s first never lets it go on by %s, with join: any", (status, _name, rest) => {
    const plan = beside([actionStep("x")], { ...rest, join: "ANY" }, { maxRetries: 2 });
    const driver = decided(walked(plan), status).go();
    expect(driver.trail().at(-1)).toBe("run.1 FAILED");
    expect(driver.statusOf("isolate")).toBeUndefined();
  });

  test.each(unapproved)("that is %s leads to the step that is named for the failure of all", (status) => {
    const driver = decided(walked(beside([], { onFailure: { step: "notify" }, maxRetries: 3 })), status);
    expect(driver.trail().at(-1)).toBe("notify.1 RUNNING");
  });

  test("is refused however the other branches end, also those that fail beside it", () => {
    const plan = beside([actionStep("x")], { maxRetries: 3, onFailure: "continue" });
    const driver = walked(plan, scripted({ x: [failed] })).end("x");
    expect(decided(driver, "REJECTED").trail().slice(-2)).toEqual(["p.1 FAILED", "run.1 FAILED"]);
  });

  test.each(ways)("that nobody answered in the time of all never lets it go on by %s", (_name, rest) => {
    const driver = walked(beside([], { ...rest, timeoutMs: 1_000 }, { maxRetries: 2 })).elapse(1_000);
    expect(driver.trail().slice(-3)).toEqual(["ask.1 CANCELLED", "p.1 TIMED_OUT", "run.1 FAILED"]);
  });

  test.each(ways)("that nobody could even be asked in the time of all never lets it go on by %s", (_name, rest) => {
    const plan = beside([], { ...rest, timeoutMs: 1_000 }, { maxRetries: 2 });
    const driver = walked(plan, scripted({ ask: [{ ...succeeded, isSlow: true }] })).elapse(1_000);
    expect(driver.trail().slice(-2)).toEqual(["p.1 TIMED_OUT", "run.1 FAILED"]);
  });

  test("that nobody answered in the time of all leads to the step that is named for its failure", () => {
    const driver = walked(beside([], { onFailure: { step: "notify" }, timeoutMs: 1_000 })).elapse(1_000);
    expect(driver.trail().at(-1)).toBe("notify.1 RUNNING");
  });

  test("that was given is no bar to trying all again, or passing over what else failed in its time", () => {
    const plan = beside([actionStep("x")], { timeoutMs: 1_000, onFailure: "continue" });
    const driver = decided(walked(plan), "APPROVED").elapse(1_000).go();
    expect(driver.trail()).toContain("isolate.1 RUNNING");
  });

  test("that was given is asked for again when all is tried again", () => {
    const driver = walked(beside([actionStep("x")], { maxRetries: 1 }), scripted({ x: [failed, succeeded] }));
    decided(driver, "APPROVED").end("x").elapse(0);
    expect(driver.trail().slice(-3)).toEqual(["p.2 RUNNING", "ask.2 WAITING", "x.2 RUNNING"]);
    expect(decided(driver, "REJECTED").end("x").trail().at(-1)).toBe("run.1 FAILED");
  });

  test.each(unapproved)("that is %s while all waits to be tried again is not asked for again", (status) => {
    const plan = beside([actionStep("x")], { join: "ANY", maxRetries: 3, retryDelayMs: 50, onFailure: "continue" });
    const driver = decided(walked(plan, scripted({ x: [failed] })).end("x"), status).elapse(50);
    const code = status === "REJECTED" ? "FAILED" : "TIMED_OUT";
    expect(driver.trail().slice(5)).toEqual([
      ...["p.1 FAILED", "p.2 WAITING", `ask.1 ${code}`, "p.2 RUNNING", `p.2 ${code}`, "run.1 FAILED"],
    ]);
  });

  test("that is refused while all waits to be tried again decides it, whatever else ended meanwhile", () => {
    const plan = planOf([
      ...parallelSteps("p", [actionStep("y"), approvalStep("ask"), actionStep("x")], {
        ...{ join: "ANY", maxRetries: 1, retryDelayMs: 50, onSuccess: "isolate" },
      }),
      actionStep("isolate"),
    ]);
    const driver = walked(plan, scripted({ x: [failed] }))
      .end("x")
      .end("y");
    expect(decided(driver, "REJECTED").elapse(50).trail().slice(-2)).toEqual(["p.2 FAILED", "run.1 FAILED"]);
    expect(driver.walk.run.error?.code).toBe("approval_rejected");
  });

  test("that is refused after join: any has gone on changes nothing, for the others had ended first", () => {
    const driver = walked(beside([actionStep("x")], { join: "ANY" })).end("x");
    expect(decided(driver, "REJECTED").go().walk.run.status).toBe("SUCCEEDED");
  });
});
