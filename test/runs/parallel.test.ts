import { describe, expect, test } from "vitest";
import type { PlanParallelStep } from "../../src/playbooks/plan.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import { playbook, two, walked } from "./parallel-plans.ts";
import {
  actionStep,
  always,
  conditionStep,
  delayStep,
  failed,
  type Script,
  scripted,
  succeeded,
} from "./walk-driver.ts";

const timedOut = { ...failed, status: "TIMED_OUT" } as const;
const skipped = { status: "SKIPPED", isImmediate: true } as const;

describe("a parallel step", () => {
  test("starts its branches together, in one hand-over", () => {
    const driver = walked(playbook(two));
    expect(driver.trail()).toEqual(["run.1 RUNNING", "p.1 RUNNING", "x.1 RUNNING", "y.1 RUNNING"]);
    expect(driver.boundaries).toEqual([4]);
  });

  test("ends, and its successor starts, in the hand-over of the branch that ends it", () => {
    const driver = walked(playbook(two)).end("x");
    const { length } = driver.boundaries;
    driver.end("y");
    expect(driver.boundaries.length).toBe(length + 1);
    expect(driver.trail().slice(-3)).toEqual(["y.1 SUCCEEDED", "p.1 SUCCEEDED", "next.1 RUNNING"]);
  });

  test("leaves the outputs of its branches in the run, and tells what became of each", () => {
    const script = scripted({ x: [{ status: "SUCCEEDED", output: { ip: "10.0.0.1" } }], y: [{ status: "SIMULATED" }] });
    const { steps } = walked(playbook(two), script).go().walk.run;
    expect(steps.get("x")?.output).toEqual({ ip: "10.0.0.1" });
    expect(steps.get("p")?.output).toEqual({ branches: { x: "succeeded", y: "simulated" } });
  });

  test("walks through branches of every type that come to their outcome at once", () => {
    const plan = playbook([actionStep("x"), conditionStep("c"), delayStep("d", { durationMs: 0 })]);
    const script = scripted({ x: [skipped], c: [{ status: "SUCCEEDED", output: { result: false } }] });
    expect(walked(plan, script).go().walk.run.status).toBe("SUCCEEDED");
  });

  test("goes to the step that its on_failure names", () => {
    const driver = walked(playbook(two, { onFailure: { step: "rescue" } }), scripted({ x: [failed] })).go();
    expect(driver.trail().at(-1)).toBe("run.1 SUCCEEDED");
    expect([...driver.walk.run.steps.keys()]).toEqual(["p", "x", "y", "rescue"]);
  });
});

describe("join: all", () => {
  test("looks at a branch a few times, not once for each other branch that ends", () => {
    const count = 500;
    const { steps, ...rest } = playbook(Array.from({ length: count }, (_, index) => actionStep(`b${index}`)));
    const parallel = steps.get("p") as PlanParallelStep;
    let looks = 0;
    const branches = new Proxy(parallel.branches, {
      get: (ids, key, receiver) => {
        if (typeof key === "string" && /^\d+$/.test(key)) looks += 1;
        return Reflect.get(ids, key, receiver);
      },
    });
    const driver = walked({ ...rest, steps: new Map(steps).set("p", { ...parallel, branches }) });
    for (const id of parallel.branches) driver.end(id);
    expect(driver.statusOf("p")).toBe("SUCCEEDED");
    expect(looks).toBeLessThan(10 * count);
  });

  test("waits for every branch, then fails with the one that failed", () => {
    const driver = walked(playbook(two), scripted({ x: [failed] })).end("x");
    expect(driver.trail().at(-1)).toBe("x.1 FAILED");
    expect(driver.end("y").walk.run).toMatchObject({
      status: "FAILED",
      error: { code: "exit_code", message: "Step p: Branch x: It broke." },
    });
    expect(driver.trail().slice(-3)).toEqual(["y.1 SUCCEEDED", "p.1 FAILED", "run.1 FAILED"]);
  });

  test("says how many more failed", () => {
    const { error } = walked(playbook([...two, actionStep("z")]), always(failed)).go().walk.run;
    expect(error?.message).toBe("Step p: Branch x: It broke. 2 more branches failed.");
  });

  test("passes over a branch that is to be passed over when it fails", () => {
    const plan = playbook([actionStep("x", { onFailure: "continue" }), actionStep("y")]);
    const { run } = walked(plan, scripted({ x: [failed] })).go().walk;
    expect(run.status).toBe("SUCCEEDED");
    expect(run.steps.get("p")?.output).toEqual({ branches: { x: "failed", y: "succeeded" } });
  });

  test("is timed out where all that failed was", () => {
    expect(
      walked(playbook(two), scripted({ x: [timedOut] }))
        .go()
        .statusOf("p"),
    ).toBe("TIMED_OUT");
    expect(
      walked(playbook(two), scripted({ x: [timedOut], y: [failed] }))
        .go()
        .statusOf("p"),
    ).toBe("FAILED");
  });

  test("waits for the retries of a branch", () => {
    const plan = playbook([actionStep("x", { maxRetries: 1 }), actionStep("y")]);
    const driver = walked(plan, scripted({ x: [failed, succeeded] }))
      .end("x")
      .end("y");
    expect(driver.statusOf("p")).toBe("RUNNING");
    expect(driver.go().walk.run.status).toBe("SUCCEEDED");
  });

  test("fails with a branch that was cancelled, even one that is to be passed over", () => {
    const plan = playbook([actionStep("x", { onFailure: "continue" }), actionStep("y")]);
    expect(
      walked(plan, scripted({ x: [{ status: "CANCELLED" }] }))
        .go()
        .statusOf("p"),
    ).toBe("FAILED");
  });
});

describe("join: any", () => {
  const any = (rest: Partial<PlanParallelStep> = {}, run: Partial<RunPlan> = {}) =>
    playbook(two, { join: "ANY", ...rest }, run);

  test("goes on with the first branch that ends, while the others go on", () => {
    const driver = walked(any()).end("y");
    expect(driver.trail().slice(-3)).toEqual(["y.1 SUCCEEDED", "p.1 SUCCEEDED", "next.1 RUNNING"]);
    expect(driver.statusOf("x")).toBe("RUNNING");
  });

  test("ends the run only after the last branch", () => {
    const driver = walked(any()).end("y").end("next");
    expect(driver.walk.isFinished).toBe(false);
    expect(driver.end("x").trail().slice(-2)).toEqual(["x.1 SUCCEEDED", "run.1 SUCCEEDED"]);
  });

  test("counts the branches that fail after it has gone on, which do not fail the run", () => {
    const driver = walked(any(), scripted({ x: [failed] }))
      .end("y")
      .go();
    expect(driver.walk.run.status).toBe("SUCCEEDED");
    expect(driver.statusOf("x")).toBe("FAILED");
  });

  test("fails with the first branch that ends, and the run then waits for the others", () => {
    const driver = walked(any(), scripted({ y: [failed] })).end("y");
    expect(driver.trail().slice(-2)).toEqual(["y.1 FAILED", "p.1 FAILED"]);
    expect(driver.end("x").trail().slice(-2)).toEqual(["x.1 SUCCEEDED", "run.1 FAILED"]);
  });

  test("lets the main line fail, and the run with it, once the others have ended", () => {
    const driver = walked(any(), scripted({ next: [failed] }))
      .end("y")
      .end("next");
    expect(driver.walk.isFinished).toBe(false);
    expect(driver.end("x").walk.run).toMatchObject({ status: "FAILED", error: { message: "Step next: It broke." } });
  });

  test("keeps the run from being run again while a branch goes on, also one that is tried again", () => {
    const branches = [actionStep("x", { maxRetries: 1, retryDelayMs: 9 }), actionStep("y")];
    const plan = playbook(branches, { join: "ANY", onFailure: "retry" }, { maxRetries: 1 });
    const script: Script = ({ runAttempt }) => (runAttempt === 1 ? failed : succeeded);
    const driver = walked(plan, script).end("y").end("x");
    expect(driver.trail().slice(-4)).toEqual(["y.1 FAILED", "p.1 FAILED", "x.1 FAILED", "x.2 WAITING"]);
    expect(driver.go().trail().slice(8, 11)).toEqual(["x.2 RUNNING", "x.2 FAILED", "run.2 RUNNING"]);
    expect(driver.walk.run).toMatchObject({ status: "SUCCEEDED", runAttempt: 2 });
  });

  test("knows after a crash that the run waits only for the others, and to what end", () => {
    const driver = walked(any(), scripted({ y: [failed] })).end("y");
    const { verdict } = driver.walk;
    expect(driver.crash().walk.verdict).toEqual(verdict);
    expect(driver.go().walk.run.status).toBe("FAILED");
  });

  test("has one outcome, though several branches come to theirs at once", () => {
    const driver = walked(any(), scripted({ x: [{ ...failed, isImmediate: true }], y: [skipped] })).go();
    expect(driver.trail()).toEqual([
      ...["run.1 RUNNING", "p.1 RUNNING", "x.1 FAILED", "y.1 SKIPPED", "p.1 FAILED", "run.1 FAILED"],
    ]);
  });

  test("does not start a branch again that is still under way when it is tried again itself", () => {
    const driver = walked(any({ maxRetries: 1, retryDelayMs: 9 }), scripted({ y: [failed, succeeded] })).end("y");
    expect(driver.elapse(9).trail().slice(-4)).toEqual(["p.1 FAILED", "p.2 WAITING", "p.2 RUNNING", "y.2 RUNNING"]);
    expect(driver.end("x").trail().slice(-3)).toEqual(["x.1 SUCCEEDED", "p.2 SUCCEEDED", "next.1 RUNNING"]);
    expect(driver.go().walk.run.status).toBe("SUCCEEDED");
  });

  test("starts a branch again that ended after it, when it is tried again itself", () => {
    const driver = walked(any({ maxRetries: 1, retryDelayMs: 9 }), scripted({ y: [failed, succeeded] })).end("y");
    expect(driver.end("x").elapse(9).trail().slice(-2)).toEqual(["x.2 RUNNING", "y.2 RUNNING"]);
  });

  test("leaves a branch to its retry that waits for it", () => {
    const branches = [actionStep("x", { maxRetries: 1, retryDelayMs: 50 }), actionStep("y")];
    const plan = playbook(branches, { join: "ANY", maxRetries: 1, retryDelayMs: 9 });
    const driver = walked(plan, scripted({ x: [failed, succeeded], y: [failed, succeeded] }))
      .end("x")
      .end("y");
    expect(driver.elapse(9).trail().slice(-2)).toEqual(["p.2 RUNNING", "y.2 RUNNING"]);
    expect(driver.statusOf("x")).toBe("WAITING");
    expect(driver.elapse(50).trail().at(-1)).toBe("x.2 RUNNING");
  });
});

describe("a parallel step that is tried again", () => {
  test("begins a new round of its branches, whose attempts go on", () => {
    const plan = playbook(two, { maxRetries: 1, retryDelayMs: 70 });
    const driver = walked(plan, scripted({ y: [failed, succeeded] })).go();
    expect(driver.trail().filter((word) => word.startsWith("p") || word.includes("RUNNING"))).toEqual([
      ...["run.1 RUNNING", "p.1 RUNNING", "x.1 RUNNING", "y.1 RUNNING", "p.1 FAILED", "p.2 WAITING"],
      ...["p.2 RUNNING", "x.2 RUNNING", "y.2 RUNNING", "p.2 SUCCEEDED", "next.1 RUNNING"],
    ]);
    expect(driver.delays).toEqual([70]);
  });

  test("gives its branches all their retries anew", () => {
    const plan = playbook([actionStep("x", { maxRetries: 2, retryDelayMs: 5 })], { maxRetries: 1, retryDelayMs: 70 });
    const driver = walked(plan, always(failed)).go();
    expect(driver.delays).toEqual([5, 5, 70, 5, 5]);
    expect(driver.walk.run.steps.get("x")).toMatchObject({ attempt: 6, firstAttempt: 4 });
  });

  test("gives its branches all their retries anew, whatever crashed in the round before", () => {
    const plan = playbook([actionStep("x", { maxRetries: 1, retryDelayMs: 5 })], { maxRetries: 1, retryDelayMs: 70 });
    const driver = walked(plan, always(failed)).crash().go();
    expect(driver.delays).toEqual([5, 70, 5]);
    expect(driver.walk.run.steps.get("x")).toMatchObject({ attempt: 5, firstAttempt: 4, interruptions: 0 });
  });

  test("knows nothing of the last round's times and warnings", () => {
    const plan = playbook([conditionStep("c")], { maxRetries: 1, retryDelayMs: 70 });
    const driver = walked(plan, always({ ...failed, isImmediate: true })).go();
    expect(driver.walk.run.steps.get("c")).toMatchObject({ attempt: 2, startedAt: 1_070, finishedAt: 1_070 });
  });

  test("is aborted when its tries are used up", () => {
    const plan = playbook(two, { maxRetries: 2 });
    const { run } = walked(plan, always(failed)).go().walk;
    expect(run).toMatchObject({ status: "FAILED" });
    expect([...run.steps.values()].map(({ attempt }) => attempt)).toEqual([3, 3, 3]);
  });
});
