import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import type { StepStatusFact } from "../../src/runs/events.ts";
import { takeOver } from "../../src/runs/take-over.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import { succeeded, type WalkDriver } from "./walk-driver.ts";
import { type Story, stories, tell } from "./walk-stories.ts";

/** Steps of the main line that something happened to in the last attempt of the run, in that order. */
function mainLine({ plan, events, walk }: WalkDriver): string[] {
  const ids = events.flatMap((event) =>
    event.type === "STEP_STATUS" && event.runAttempt === walk.run.runAttempt && !event.isTakenOver
      ? [event.stepId]
      : [],
  );
  return [...new Set(ids)].filter((id) => plan.steps.get(id)?.parallel === undefined);
}

/** What is wrong with a rerun of that run, as words. */
function faultsOf(before: WalkDriver, rerun: WalkDriver, facts: readonly StepStatusFact[]): string[] {
  const { plan, walk } = rerun;
  const typeOf = (id: string) => plan.steps.get(id)?.type;
  const own = rerun.events.flatMap((event) =>
    event.type === "STEP_STATUS" && !event.isTakenOver ? [event.stepId] : [],
  );
  const [entry] = own;
  const isEntryPassed = entry !== undefined && mainLine(before).slice(0, -1).includes(entry);
  return [
    ...facts.filter(({ stepId }) => typeOf(stepId) === "APPROVAL").map(({ stepId }) => `takes over ${stepId}`),
    ...facts.filter(({ stepId }) => own.includes(stepId)).map(({ stepId }) => `starts ${stepId} again`),
    ...facts
      .filter(({ stepId, status }) => walk.run.steps.get(stepId)?.status !== status)
      .map(({ stepId }) => `tells another outcome of ${stepId}`),
    // Only for the sake of people, or of branches, does it begin before what ended the other run.
    ...(isEntryPassed && typeOf(entry) !== "APPROVAL" && typeOf(entry) !== "PARALLEL" ? [`begins with ${entry}`] : []),
  ];
}

function withoutTimeouts({ timeoutMs: _ofRun, ...plan }: RunPlan): RunPlan {
  const steps = [...plan.steps].map(([id, { timeoutMs: _ofStep, ...step }]): [string, PlanStep] => [
    id,
    step as PlanStep,
  ]);
  return { ...plan, steps: new Map(steps) };
}

describe("the reruns of any run", () => {
  const chains = fc.record({
    story: stories.map((story): Story => ({ ...story, takenOver: [] })),
    others: fc.array(stories, { minLength: 2, maxLength: 2 }),
  });

  test("never start what they take over, begin with what failed or with people, and end; when all goes well, well", () => {
    let reruns = 0;
    const isToRerun = ({ walk }: WalkDriver) => walk.run.status !== "SUCCEEDED";
    fc.assert(
      fc.property(chains, ({ story, others }) => {
        let before = tell(story);
        for (const { outcomes, incidents, choices } of others) {
          if (!isToRerun(before)) return;
          const takenOver = takeOver(before.plan, before.walk.run);
          const rerun = tell({ ...story, takenOver, outcomes, incidents, choices });
          expect(faultsOf(before, rerun, takenOver)).toEqual([]);
          reruns += 1;
          before = rerun;
        }
        if (!isToRerun(before)) return;
        const takenOver = takeOver(before.plan, before.walk.run);
        const plan = withoutTimeouts(story.plan);
        const last = tell({ ...story, plan, takenOver, outcomes: [succeeded], incidents: [], choices: [0] });
        expect(faultsOf(before, last, takenOver)).toEqual([]);
        expect(last.walk.run.status).toBe("SUCCEEDED");
      }),
      { numRuns: 1_000 },
    );
    expect(reruns).toBeGreaterThan(300);
  });
});
