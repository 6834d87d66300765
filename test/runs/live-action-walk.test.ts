import { describe, expect, test } from "vitest";
import { failed, liveActionStep, planOf, scripted, succeeded, WalkDriver } from "./walk-driver.ts";

const plan = planOf([liveActionStep("a", { maxRetries: 1 })]);
/** From its second attempt on, its inputs are not known at once. */
const slowAgain = scripted({ a: [succeeded, { ...succeeded, isSlow: true }] });

/** The requests that its vendor was asked, without the run's id. */
const requestsOf = ({ dispatches }: WalkDriver) => [...dispatches.all.keys()].map((id) => id.replace(/^r:/, ""));

/** Of what could happen next the first; and the vendor's answers stay, whatever node dies. */
const nothingLost = (count: number) => (count === 2 ? 1 : 0);

describe("a live action", () => {
  test("is asked once, however often its node dies, and tried again after its failure only", () => {
    const driver = new WalkDriver(plan, scripted({ a: [failed] }), nothingLost).begin().ask("a");
    for (let deaths = 0; deaths < 8; deaths += 1) driver.crash();
    driver.end("a");
    expect(requestsOf(driver)).toEqual(["a:1:1"]);
    driver.go();
    expect(requestsOf(driver)).toEqual(["a:1:1", "a:1:2"]);
    expect(driver.walk.run.error?.code).toBe("exit_code");
  });

  test("is not tried again where nobody knows what came of it", () => {
    const driver = new WalkDriver(plan, scripted({ a: [succeeded] })).begin().ask("a").crash().go();
    expect(requestsOf(driver)).toEqual(["a:1:1"]);
    expect(driver.walk.run).toMatchObject({ status: "FAILED", error: { code: "effect_unknown" } });
  });
});

describe("an interrupted live action whose run is cancelled before it begins again", () => {
  const interrupted = () => {
    const driver = new WalkDriver(plan, slowAgain, nothingLost).begin().ask("a").crash();
    expect(driver.trail().slice(-2)).toEqual(["a.1 RUNNING", "step_interrupted"]);
    expect([...driver.preparing.keys()]).toEqual(["a"]);
    return driver;
  };

  test("is told as it ended", () => {
    const driver = interrupted().cancel();
    expect([...driver.told]).toEqual(["a"]);
    driver.end("a");
    expect(driver.trail().slice(-3)).toEqual(["cancel_requested", "a.1 SUCCEEDED", "run.1 CANCELLED"]);
    expect(requestsOf(driver)).toEqual(["a:1:1"]);
  });

  test("is told by the node after the next, too", () => {
    const driver = interrupted().cancel().crash().end("a");
    expect(driver.trail().slice(-3)).toEqual(["cancel_requested", "a.1 SUCCEEDED", "run.1 CANCELLED"]);
    expect(requestsOf(driver)).toEqual(["a:1:1"]);
  });
});
