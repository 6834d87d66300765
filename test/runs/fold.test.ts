import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import { fromRow, isTerminal, type RunEvent, toRow } from "../../src/runs/events.ts";
import { countSteps, fold, unstarted } from "../../src/runs/fold.ts";
import type { RunPlan } from "../../src/runs/transition.ts";
import {
  actionStep,
  conditionStep,
  planOf,
  replayed,
  type Script,
  type ScriptedOutcome,
  WalkDriver,
} from "./walk-driver.ts";

const retriesMax = 2;
const attemptsMax = 3;
const crashesMax = 3;

/** A plan without cycles: a step leads to later steps only. */
const plans: fc.Arbitrary<RunPlan> = fc
  .integer({ min: 1, max: 7 })
  .chain((size) =>
    fc.tuple(
      fc.tuple(...Array.from({ length: size }, (_, index) => planSteps(index, size))),
      fc.nat({ max: retriesMax }),
    ),
  )
  .map(([steps, maxRetries]) => planOf(steps, { maxRetries }));

function planSteps(index: number, size: number): fc.Arbitrary<PlanStep> {
  const id = `s${index}`;
  const later = Array.from({ length: size - index - 1 }, (_, ahead) => `s${index + 1 + ahead}`);
  const next = fc.constantFrom(null, ...later);
  const onFailure = fc.constantFrom("abort", "continue", "retry", ...later.map((step) => ({ step })));
  const rest = { onSuccess: next, maxRetries: fc.nat({ max: retriesMax }), retryDelayMs: fc.nat({ max: 9 }) };
  return fc.oneof(
    { weight: 3, arbitrary: fc.record({ ...rest, onFailure }).map((fields) => actionStep(id, fields as never)) },
    { weight: 1, arbitrary: fc.record({ onTrue: next, onFalse: next }).map((fields) => conditionStep(id, fields)) },
  );
}

const texts = fc.string({ unit: "grapheme", maxLength: 6 });
const outcomes: fc.Arbitrary<ScriptedOutcome> = fc.record(
  {
    status: fc.constantFrom("SUCCEEDED", "SIMULATED", "FAILED", "FAILED", "TIMED_OUT", "SKIPPED"),
    output: fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as never),
    error: fc.record({ code: texts, message: texts }),
    isFinal: fc.constant(true as const),
    isImmediate: fc.constant(true as const),
    onInterrupt: fc.constant("fail" as const),
    retry: fc.record({ maxAttempts: fc.integer({ min: 1, max: attemptsMax }), backoffMs: fc.nat({ max: 50 }) }),
  },
  { requiredKeys: ["status"] },
);

interface Story {
  readonly plan: RunPlan;
  readonly outcomes: readonly ScriptedOutcome[];
  readonly results: readonly boolean[];
  /** Hand-overs after which the node dies. */
  readonly crashes: readonly number[];
  /** Hand-over after which the run is told to stop. */
  readonly stop: number | undefined;
}

const stories: fc.Arbitrary<Story> = fc.record({
  plan: plans,
  outcomes: fc.array(outcomes, { minLength: 1, maxLength: 12 }),
  results: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  crashes: fc.uniqueArray(fc.nat({ max: 20 }), { maxLength: crashesMax }),
  stop: fc.option(fc.nat({ max: 15 }), { nil: undefined }),
});
const unstopped = stories.map((story): Story => ({ ...story, stop: undefined }));

function tell(story: Story, look: (driver: WalkDriver) => void = () => {}): WalkDriver {
  const crashes = [...story.crashes];
  const driver = new WalkDriver(story.plan, scriptOf(story)).begin();
  let isStopped = false;
  driver.go(() => {
    look(driver);
    const { length } = driver.boundaries;
    if (!isStopped && story.stop !== undefined && length > story.stop) {
      isStopped = true;
      driver.advance([{ type: "NOTICE", code: "cancel_requested", message: "Cancelled." }]);
    } else if (crashes.length > 0 && length > (crashes[0] as number)) {
      crashes.shift();
      driver.crash();
    }
    return driver.walk.isFinished;
  });
  look(driver);
  return driver;
}

/** The same answer for the same try, whenever it is asked. */
function scriptOf({ plan, outcomes, results }: Story): Script {
  return ({ stepId, attempt, runAttempt }) => {
    const place = Number(stepId.slice(1)) * 7 + attempt * 3 + runAttempt;
    if (plan.steps.get(stepId)?.type === "CONDITION") {
      return { status: "SUCCEEDED", output: { result: results[place % results.length] as boolean } };
    }
    const { retry: _, ...outcome } = outcomes[place % outcomes.length] as ScriptedOutcome;
    const { retry } = outcomes[Number(stepId.slice(1)) % outcomes.length] as ScriptedOutcome;
    return retry ? { ...outcome, retry } : outcome;
  };
}

describe("a run of any plan, with any outcomes, on nodes that die", () => {
  test("ends within a bounded number of events, and writes nothing after its end", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { events, walk } = tell(story);
        const tries = story.plan.steps.size * attemptsMax * (retriesMax + 1) * (retriesMax + 1);
        expect(events.length).toBeLessThan(2 + 4 * (tries + crashesMax));
        expect(isTerminal(walk.run.status)).toBe(true);
        expect(events.findIndex((event) => event.type === "RUN_STATUS" && isTerminal(event.status))).toBe(
          events.length - 1,
        );
      }),
    );
  });

  test("never starts a step twice without a retry or an interruption between", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const last = new Map<string, string>();
        for (const event of tell(story).events) {
          if (event.type !== "STEP_STATUS" && event.type !== "NOTICE") continue;
          const key = `${event.runAttempt} ${event.stepId}`;
          const before = last.get(key);
          const attempt = event.type === "NOTICE" ? Number(before?.split(" ")[1]) : event.attempt;
          last.set(key, `${event.type === "NOTICE" ? "INTERRUPTED" : event.status} ${attempt}`);
          const goesOn = event.type === "NOTICE" || event.status === "WAITING" || before === `RUNNING ${attempt}`;
          if (goesOn) continue;
          expect([`WAITING ${attempt}`, `INTERRUPTED ${attempt - 1}`, attempt === 1 ? undefined : "never"]).toContain(
            before,
          );
        }
      }),
    );
  });

  test("gives every try one outcome", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const outcomes = tell(story).events.flatMap((event) =>
          event.type === "STEP_STATUS" && isTerminal(event.status)
            ? [`${event.runAttempt} ${event.stepId} ${event.attempt}`]
            : [],
        );
        expect(new Set(outcomes).size).toBe(outcomes.length);
      }),
    );
  });

  test("starts only what the outcomes before it lead to", () => {
    fc.assert(
      fc.property(unstopped, (story) => {
        const { events } = tell(story);
        let from: RunEvent<Extract<RunEvent, { type: "STEP_STATUS" }>> | undefined;
        for (const event of events) {
          if (event.type === "RUN_STATUS") from = undefined;
          if (event.type !== "STEP_STATUS") continue;
          if (from?.stepId !== event.stepId) expect(waysOf(story.plan, from)).toContain(event.stepId);
          from = event;
        }
      }),
    );
  });

  test("ends soon and starts nothing more once it is told to stop", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { events, walk } = tell(story);
        const at = events.findIndex((event) => event.type === "NOTICE" && event.code === "cancel_requested");
        fc.pre(at >= 0);
        const after = events.slice(at + 1);
        expect(walk.run.status).toBe("CANCELLED");
        expect(after.length).toBeLessThanOrEqual(2);
        expect(after.filter((event) => event.type === "STEP_STATUS" && event.status === "RUNNING")).toEqual([]);
      }),
    );
  });

  test("is at every point what its stored events say", () => {
    fc.assert(
      fc.property(stories, (story) => {
        tell(story, ({ plan, events, walk }) => {
          const stored = events.map((event) => fromRow(JSON.parse(JSON.stringify(toRow(event)))));
          expect(stored).toEqual(events);
          expect(stored.reduce(fold, unstarted)).toEqual(walk.run);
          expect(replayed(plan, stored)).toEqual(walk);
        });
      }),
    );
  });

  test("counts what failed and what was simulated as its steps stand", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { run } = tell(story).walk;
        const statuses = [...run.steps.values()].map(({ status }) => status);
        expect(countSteps(run)).toEqual({
          failedStepCount: statuses.filter((status) => status === "FAILED" || status === "TIMED_OUT").length,
          simulatedStepCount: statuses.filter((status) => status === "SIMULATED").length,
        });
      }),
    );
  });
});

/** Where the run may go from an outcome, by the plan alone. */
function waysOf(plan: RunPlan, from: Extract<RunEvent, { type: "STEP_STATUS" }> | undefined): readonly unknown[] {
  const step = from && plan.steps.get(from.stepId);
  if (!from || !step) return [plan.first];
  if (step.type === "CONDITION") return [(from.output as { result: boolean }).result ? step.onTrue : step.onFalse];
  if (from.status !== "FAILED" && from.status !== "TIMED_OUT") return [step.onSuccess];
  return [step.onFailure === "continue" ? step.onSuccess : (step.onFailure as { step?: string }).step];
}

describe("the events of a run", () => {
  const at = { at: 5, runAttempt: 1 };

  test("survive their rows, those without a fact's options included", () => {
    const events: RunEvent[] = [
      { ...at, sequence: 1, type: "RUN_STATUS", status: "QUEUED" },
      { ...at, sequence: 2, type: "LOG", stepId: "a", attempt: 2, stream: "STDERR", text: "line" },
      { ...at, sequence: 3, type: "NOTICE", code: "log_truncated", message: "m", stepId: "a" },
      { ...at, sequence: 4, type: "NOTICE", code: "cancel_requested", message: "m" },
      { ...at, sequence: 5, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "WAITING", retryAt: 77 },
    ];
    expect(events.map((event) => fromRow(JSON.parse(JSON.stringify(toRow(event)))))).toEqual(events);
  });

  test("keep the input of a try beside its outcome, and the warnings of both", () => {
    const step = { ...at, type: "STEP_STATUS", stepId: "a", attempt: 1 } as const;
    const events: RunEvent[] = [
      { ...step, sequence: 1, status: "RUNNING", input: { ip: "10.0.0.1" }, warnings: ["one"], actionVersionId: "v" },
      { ...step, sequence: 2, at: 9, status: "SUCCEEDED", output: null, warnings: ["two"] },
    ];
    expect(events.reduce(fold, unstarted).steps.get("a")).toEqual({
      ...{ stepId: "a", attempt: 1, status: "SUCCEEDED", interruptions: 0, startedAt: 5, finishedAt: 9 },
      ...{ input: { ip: "10.0.0.1" }, output: null, warnings: ["one", "two"], actionVersionId: "v" },
    });
  });

  test("of an earlier attempt of the run say nothing of its steps any more", () => {
    const events: RunEvent[] = [
      { ...at, sequence: 1, type: "RUN_STATUS", status: "RUNNING" },
      { ...at, sequence: 2, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "FAILED" },
      { ...at, sequence: 3, runAttempt: 2, type: "RUN_STATUS", status: "RUNNING" },
    ];
    expect(events.reduce(fold, unstarted)).toMatchObject({ runAttempt: 2, startedAt: 5, steps: new Map() });
  });
});
