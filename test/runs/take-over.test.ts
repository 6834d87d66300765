import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import type { StepStatusFact } from "../../src/runs/events.ts";
import { rerunNotice, takeOver } from "../../src/runs/take-over.ts";
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

/** A plan of any shape: every way leads forward. */
const plans: fc.Arbitrary<RunPlan> = fc
  .array(
    fc.record({
      type: fc.constantFrom("ACTION", "ACTION", "CONDITION", "DELAY", "APPROVAL", "PARALLEL"),
      jumps: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
      rule: fc.constantFrom("abort", "continue", "retry", "step"),
      maxRetries: fc.nat(1),
      join: fc.constantFrom("ALL" as const, "ANY" as const),
      branches: fc.array(
        fc.record({ type: fc.constantFrom("ACTION", "ACTION", "DELAY", "APPROVAL"), isPassed: fc.boolean() }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .chain((drafts) => fc.tuple(fc.constant(drafts), fc.nat(1)))
  .map(([drafts, maxRetries]) => {
    const target = (index: number, jump = 0) => (index + 1 + jump < drafts.length ? `s${index + 1 + jump}` : null);
    const steps = drafts.flatMap(({ type, jumps, rule, join, branches, ...rest }, index): readonly PlanStep[] => {
      const id = `s${index}`;
      const [first, second, third] = jumps.map((jump) => target(index, jump));
      const onFailure = rule !== "step" ? (rule as "abort") : third ? { step: third } : "abort";
      const common = { ...rest, onSuccess: first ?? null, onFailure } as const;
      const refused = typeof onFailure === "object" ? onFailure : ("abort" as const);
      switch (type) {
        case "CONDITION":
          return [conditionStep(id, { ...common, maxRetries: 0, onTrue: first ?? null, onFalse: second ?? null })];
        case "DELAY":
          return [delayStep(id, common)];
        case "APPROVAL":
          return [
            approvalStep(id, { onSuccess: common.onSuccess, onFailure: refused, onTimeout: refused, timeoutMs: 5_000 }),
          ];
        case "PARALLEL":
          return parallelSteps(
            id,
            branches.map((branch, at) => branchOf(`${id}-${at}`, branch)),
            { ...common, join },
          );
        default:
          return [actionStep(id, common)];
      }
    });
    return planOf(steps, { maxRetries });
  });

function branchOf(id: string, { type, isPassed }: { readonly type: string; readonly isPassed: boolean }): PlanStep {
  if (type === "APPROVAL") return approvalStep(id);
  const onFailure = isPassed ? ("continue" as const) : ("abort" as const);
  return type === "DELAY" ? delayStep(id, { onFailure }) : actionStep(id, { onFailure });
}

/** What becomes of a step is a matter of its id, its attempt and the seed; a condition goes the same way each time. */
function scriptOf(plan: RunPlan, seed: readonly number[]): Script {
  const of = (text: string) =>
    seed[[...text].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % seed.length] ?? 0;
  return ({ stepId, attempt, runAttempt }) => {
    const type = plan.steps.get(stepId)?.type;
    if (type === "CONDITION") return { status: "SUCCEEDED", output: { result: of(stepId) % 2 === 0 } };
    const luck = of(`${stepId}${attempt}${runAttempt}`) % 7;
    if (luck === 0 || luck === 1) return failed;
    if (luck === 2) return timedOut;
    if (type === "ACTION" && luck === 3) return { status: "SKIPPED", isImmediate: true };
    return type === "ACTION" && luck === 4 ? { status: "SIMULATED" } : succeeded;
  };
}

const seeds = fc.array(fc.nat(1_000), { minLength: 11, maxLength: 11 });
const chooser = (choices: readonly number[]) => {
  let next = 0;
  return (count: number) => (choices[next++ % choices.length] ?? 0) % count;
};

/** Steps of the main line that something happened to in the last attempt of the run, in that order. */
function mainLine({ plan, events, walk }: WalkDriver): string[] {
  const ids = events.flatMap((event) =>
    event.type === "STEP_STATUS" && !event.isTakenOver && event.runAttempt === walk.run.runAttempt
      ? [event.stepId]
      : [],
  );
  return [...new Set(ids)].filter((id) => plan.steps.get(id)?.parallel === undefined);
}

describe("a rerun of any run", () => {
  const cases = fc.record({
    plan: plans,
    seed: seeds,
    otherSeed: seeds,
    choices: seeds,
    cancelAfter: fc.option(fc.nat(20), { nil: undefined }),
    crashAfter: fc.nat(20),
  });
  const unlucky = (driver: WalkDriver) => driver.walk.run.status !== "SUCCEEDED" && driver.walk.isFinished;

  test("never starts what was taken over, begins with what failed or with people, and ends", () => {
    let reruns = 0;
    fc.assert(
      fc.property(cases, ({ plan, seed, otherSeed, choices, cancelAfter, crashAfter }) => {
        const choose = chooser(choices);
        const first = new WalkDriver(plan, scriptOf(plan, seed), choose).begin();
        first.go(({ events }) => cancelAfter !== undefined && events.length > cancelAfter);
        if (!first.walk.isFinished) first.cancel().go();
        let before = first;
        for (const luck of [otherSeed, choices, undefined]) {
          if (!unlucky(before)) return;
          reruns += 1;
          const script = luck ? scriptOf(plan, luck) : always(succeeded);
          const facts = takenFrom(before);
          const sameWay: Script = (step) =>
            plan.steps.get(step.stepId)?.type === "CONDITION" ? scriptOf(plan, seed)(step) : script(step);
          // At last all goes well, and everybody answers in time.
          const rerun = new WalkDriver(plan, sameWay, luck ? choose : undefined).begin(facts);
          rerun.go(({ events }) => events.length > facts.length + crashAfter);
          if (!rerun.walk.isFinished) rerun.crash().go();
          expectContinued(before, rerun, facts);
          before = rerun;
        }
        expect(before.walk.run.status).toBe("SUCCEEDED");
      }),
      { numRuns: 3_000 },
    );
    expect(reruns).toBeGreaterThan(1_000);
  });
});

function expectContinued(before: WalkDriver, rerun: WalkDriver, facts: readonly StepStatusFact[]): void {
  const { plan } = rerun;
  expect(rerun.walk.isFinished).toBe(true);
  const taken = new Set(facts.map(({ stepId }) => stepId));
  for (const { stepId } of facts) expect(plan.steps.get(stepId)?.type).not.toBe("APPROVAL");
  const started = rerun.events
    .slice(facts.length)
    .flatMap((event) => (event.type === "STEP_STATUS" ? [event.stepId] : []));
  expect(started.filter((id) => taken.has(id))).toEqual([]);
  for (const { stepId, status } of facts)
    expect(rerun.walk.run.steps.get(stepId)).toMatchObject({ status, isTakenOver: true });
  const [entry] = started;
  if (entry === undefined) return;
  const type = plan.steps.get(entry)?.type;
  const walked = mainLine(before);
  // Where only people or branches are asked again, all else behind them may have succeeded.
  if (type === "APPROVAL" || type === "PARALLEL") return;
  expect(walked.slice(0, -1)).not.toContain(entry);
}
