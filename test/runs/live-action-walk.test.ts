import { describe, expect, test } from "vitest";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import {
  actionStep,
  failed,
  liveActionStep,
  parallelSteps,
  planOf,
  type ScriptedOutcome,
  scripted,
  succeeded,
  WalkDriver,
} from "./walk-driver.ts";

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

/** How a live action ends that people were asked about and did not let happen. */
function denied(code: string): ScriptedOutcome {
  return { status: code === "timed_out" ? "TIMED_OUT" : "FAILED", error: { code, message: "No." }, isFinal: true };
}

describe.each(["approval_rejected", "approval_expired", "withdrawn", "requester_revoked", "timed_out"])(
  "a live action that ends as %s",
  (code) => {
    const script = scripted({ a: [denied(code)] });
    const walked = (rest: Parameters<typeof liveActionStep>[1], ofAll: Parameters<typeof planOf>[1] = {}) =>
      new WalkDriver(planOf([liveActionStep("a", rest), actionStep("b")], ofAll), script).begin().go();

    test.each([
      ["continue", { onFailure: "continue", onSuccess: "b" } as const, {}],
      ["retry", { onFailure: "retry", maxRetries: 3 } as const, {}],
      ["another run of the whole playbook", { onFailure: "retry" } as const, { maxRetries: 3 }],
    ])("never goes on by %s", (_name, rest, ofAll) => {
      expect(walked(rest, ofAll).trail()).toEqual(["run.1 RUNNING", "a.1 RUNNING", expect.any(String), "run.1 FAILED"]);
    });

    test("leads to the step that is named for its failure", () => {
      const driver = walked({ onFailure: { step: "b" }, onSuccess: null });
      expect(driver.trail().slice(-2)).toEqual(["b.1 SUCCEEDED", "run.1 SUCCEEDED"]);
    });

    test.each(["ALL", "ANY"] as const)("fails the parallel step around it, for good, with join: %s", (join) => {
      const all = { join, maxRetries: 3, onFailure: "continue", onSuccess: "b" } as const;
      const branch = liveActionStep("a", { onFailure: "continue" });
      const driver = new WalkDriver(planOf([...parallelSteps("p", [branch], all), actionStep("b")]), script).begin();
      expect(driver.go().trail().at(-1)).toBe("run.1 FAILED");
      expect(requestsOf(driver)).toEqual(["a:1:1"]);
    });

    test("is not asked for again when what stands beside it would be tried again", () => {
      const plan = planOf(parallelSteps("p", [liveActionStep("a"), actionStep("x")], { maxRetries: 3 }));
      const driver = new WalkDriver(plan, scripted({ a: [denied(code)], x: [failed] })).begin().go();
      expect(requestsOf(driver)).toEqual(["a:1:1"]);
    });
  },
);

describe.each(["vendor_timeout", "effect_unknown", "plugin_ended"])(
  "a live action that nobody knows the effect of (%s)",
  (code) => {
    const unclear: ScriptedOutcome = { status: "FAILED", error: { code, message: "Who knows." }, isFinal: true };
    const walked = (steps: readonly PlanStep[], rest: Parameters<typeof planOf>[1] = {}, script = {}) =>
      new WalkDriver(planOf(steps, rest), scripted({ a: [unclear], ...script })).begin();

    test("is tried again by none of the ways that a playbook knows", () => {
      const plans: [readonly PlanStep[], Parameters<typeof planOf>[1]][] = [
        [[liveActionStep("a", { maxRetries: 3 })], {}],
        [[liveActionStep("a", { onFailure: "retry", maxRetries: 3 })], {}],
        [[liveActionStep("a", { onFailure: "retry" })], { maxRetries: 3 }],
        [parallelSteps("p", [liveActionStep("a"), actionStep("x")], { maxRetries: 3 }), {}],
        [parallelSteps("p", [liveActionStep("a")], { onFailure: "retry" }), { maxRetries: 3 }],
      ];
      for (const [steps, rest] of plans) {
        const driver = walked(steps, rest).go();
        expect(requestsOf(driver)).toEqual(["a:1:1"]);
        expect(driver.walk.run).toMatchObject({ status: "FAILED", error: { code } });
      }
    });

    test("is passed over by continue, and then the playbook as a whole is not tried again for what fails later", () => {
      const steps = [liveActionStep("a", { onFailure: "continue", onSuccess: "b" }), actionStep("b")];
      const later = [steps[0]!, { ...steps[1]!, onFailure: "retry" as const }];
      expect(walked(steps).go().walk.run.status).toBe("SUCCEEDED");
      const driver = walked(later, { maxRetries: 3 }, { b: [failed] }).go();
      expect(driver.trail().filter((one) => one.startsWith("run."))).toEqual(["run.1 RUNNING", "run.1 FAILED"]);
      expect(driver.walk.run.error?.code).toBe("exit_code");
    });

    test("is not begun again by a parallel step that waits to be tried again when it ends", () => {
      const all = { join: "ANY", maxRetries: 3, retryDelayMs: 50 } as const;
      const branches = [actionStep("y"), liveActionStep("a"), actionStep("x")];
      const driver = walked(parallelSteps("p", branches, all), {}, { x: [failed] });
      driver.end("x").end("y").end("a").elapse(50);
      expect(driver.trail().slice(-3)).toEqual(["p.2 RUNNING", "p.2 FAILED", "run.1 FAILED"]);
      expect(driver.walk.run.error?.code).toBe(code);
    });

    test("ends its run where the whole playbook was about to be tried again", () => {
      const all = { join: "ANY", onFailure: "retry" } as const;
      const branches = [liveActionStep("a"), actionStep("x")];
      const driver = walked(parallelSteps("p", branches, all), { maxRetries: 3 }, { x: [failed] });
      driver.end("x").end("a");
      expect(driver.trail().slice(-2)).toEqual(["a.1 FAILED", "run.1 FAILED"]);
      expect(driver.walk.run.error).toEqual({ code, message: "Step a: Who knows." });
    });
  },
);

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
