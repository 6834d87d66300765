import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { fallDue } from "../../src/runs/fall-due.ts";
import { nextDue, parkUntil } from "../../src/runs/head-change.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import {
  actionStep,
  always,
  approvalStep,
  delayStep,
  failed,
  parallelSteps,
  planOf,
  type Script,
  succeeded,
  WalkDriver,
} from "./walk-driver.ts";

const walked = (plan: RunPlan, script: Script = always(succeeded)) => new WalkDriver(plan, script).begin();
const waiting = planOf([delayStep("d", { durationMs: 60_000, onSuccess: "a" }), actionStep("a")]);
const nextDueOf = (driver: WalkDriver) => nextDue(driver.walk, driver.info);

describe("a delay", () => {
  test("waits until it is over, and goes on", () => {
    const driver = walked(waiting);
    expect(driver.walk.run.steps.get("d")).toMatchObject({ status: "WAITING", until: 61_000 });
    expect(driver.elapse(59_999).statusOf("d")).toBe("WAITING");
    expect(driver.elapse(1).trail().slice(-2)).toEqual(["d.1 SUCCEEDED", "a.1 RUNNING"]);
  });

  test("is over at the time it was to be, whatever crashed meanwhile", () => {
    const driver = walked(waiting).elapse(10_000).crash({ downMs: 10_000 });
    expect(nextDueOf(driver)).toBe(61_000);
    expect(driver.elapse(40_000).statusOf("d")).toBe("SUCCEEDED");
  });

  test("that was over while no node was there is over once", () => {
    const driver = walked(waiting).crash({ downMs: 100_000 }).go();
    expect(driver.trail().filter((word) => word.startsWith("d"))).toEqual(["d.1 WAITING", "d.1 SUCCEEDED"]);
  });

  test("ends when the run's time is over", () => {
    const driver = walked({ ...waiting, timeoutMs: 30_000 }).elapse(30_000);
    expect(driver.trail().slice(-3)).toEqual(["run_timed_out", "d.1 CANCELLED", "run.1 TIMED_OUT"]);
  });

  test("ends the run, not itself, when both are over: the run's own time comes first", () => {
    expect(walked({ ...waiting, timeoutMs: 60_000 }).elapse(90_000).walk.run.status).toBe("TIMED_OUT");
  });

  test("beside an approval ends without it", () => {
    const plan = planOf(parallelSteps("p", [delayStep("d"), approvalStep("ask")]));
    const driver = walked(plan).elapse(60_000);
    expect([driver.statusOf("d"), driver.statusOf("ask")]).toEqual(["SUCCEEDED", "WAITING"]);
  });
});

describe("what falls due next", () => {
  const retried = planOf([actionStep("a", { maxRetries: 1, retryDelayMs: 50 })], { timeoutMs: 9_000 });

  test("is the earliest of what waits and of the run's own time", () => {
    const driver = walked(retried, always(failed));
    expect(nextDueOf(driver)).toBe(10_000);
    expect(nextDueOf(driver.end("a"))).toBe(1_050);
  });

  test("is not what was told to start already: a clock that asked again and again would never rest", () => {
    const script: Script = ({ attempt }) => (attempt === 1 ? failed : { ...succeeded, isSlow: true });
    const driver = walked(retried, script).end("a").elapse(50);
    expect(driver.preparing.has("a")).toBe(true);
    expect(nextDueOf(driver)).toBe(10_000);
    expect(fallDue(driver.walk, driver.info, 5_000).items).toEqual([]);
  });

  test("is nothing of a run that is ending, or has ended", () => {
    const driver = walked(retried).cancel();
    expect(nextDueOf(driver)).toBeUndefined();
    expect(nextDueOf(driver.go())).toBeUndefined();
  });

  test("is an expiry until that is under way", () => {
    const driver = walked(planOf([approvalStep("ask", { timeoutMs: 5_000 })]));
    expect(nextDueOf(driver)).toBe(6_000);
    expect(fallDue(driver.walk, driver.info, 6_000)).toMatchObject({ items: [], expired: ["approval-1"] });
    expect(nextDue(driver.walk, driver.info, new Set(["approval-1"]))).toBeUndefined();
  });

  test("is the end of a parallel step's time until its branches are being ended", () => {
    const driver = walked(planOf(parallelSteps("p", [actionStep("x")], { timeoutMs: 700 })));
    expect(nextDueOf(driver)).toBe(1_700);
    expect(nextDueOf(driver.elapse(700))).toBeUndefined();
  });
});

describe("a run is put out of memory", () => {
  const parked = (plan: RunPlan, rest: (driver: WalkDriver) => unknown = () => {}) => {
    const driver = walked(plan);
    rest(driver);
    const until = parkUntil(driver.walk, driver.info, driver.now);
    return until === undefined ? undefined : until - driver.now;
  };
  const days = 86_400_000;

  test("until a long delay is over, and not for a short one", () => {
    expect(parked(planOf([delayStep("d", { durationMs: days })]))).toBe(days);
    expect(parked(planOf([delayStep("d", { durationMs: limits.parkAfterMs / 2 })]))).toBeUndefined();
  });

  test("until an approval expires, or the run's time is over, or for a year", () => {
    expect(parked(planOf([approvalStep("ask", { timeoutMs: days })]))).toBe(days);
    expect(parked(planOf([approvalStep("ask")], { timeoutMs: 2 * days }))).toBe(2 * days);
    expect(parked(planOf([approvalStep("ask")]))).toBe(limits.parkMsMax);
  });

  test("while every branch of a parallel step waits, and not while one is at work", () => {
    const branches = [delayStep("d", { durationMs: days }), approvalStep("ask")];
    expect(parked(planOf(parallelSteps("p", branches)))).toBe(days);
    expect(parked(planOf(parallelSteps("p", [...branches, actionStep("x")])))).toBeUndefined();
  });

  test("until the time of a parallel step is over whose branches wait longer", () => {
    const branches = [delayStep("d", { durationMs: 9 * days })];
    expect(parked(planOf(parallelSteps("p", branches, { timeoutMs: days })))).toBe(days);
  });

  test("while only branches are left that it waits for", () => {
    const branches = [approvalStep("ask", { timeoutMs: days }), actionStep("x")];
    expect(parked(planOf(parallelSteps("p", branches, { join: "ANY" })), (driver) => driver.end("x"))).toBe(days);
  });

  test("and does not begin again when it comes back", () => {
    const plan = planOf([delayStep("d", { durationMs: days, onSuccess: "a" }), actionStep("a")]);
    const driver = walked(plan)
      .advance([{ type: "RUN_STATUS", status: "WAITING" }])
      .crash({ downMs: days })
      .go();
    expect(driver.trail()).toEqual([
      ...["run.1 RUNNING", "d.1 WAITING", "run.1 WAITING", "run.1 RUNNING", "d.1 SUCCEEDED"],
      ...["a.1 RUNNING", "a.1 SUCCEEDED", "run.1 SUCCEEDED"],
    ]);
    expect(driver.walk.run.startedAt).toBe(1_000);
  });

  test("never while it is ending", () => {
    const plan = planOf(parallelSteps("p", [approvalStep("ask"), actionStep("x")]));
    expect(parked(plan, (driver) => driver.cancel())).toBeUndefined();
  });
});
