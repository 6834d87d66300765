import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromRow, isTerminal, type RunEvent, toRow } from "../../src/runs/events.ts";
import { countSteps, fold, unstarted } from "../../src/runs/fold.ts";
import { requestKey } from "../../src/runs/live-action-request.ts";
import { transition } from "../../src/runs/transition.ts";
import type { Walk } from "../../src/runs/walk.ts";
import { replayed } from "./resident-walk.ts";
import type { WalkDriver } from "./walk-driver.ts";
import { WalkReferee } from "./walk-referee.ts";
import { cancelled, eventsBound, type Story, stories, tell } from "./walk-stories.ts";

/** Enough to meet what is rare now and then, and to be done soon. */
const often = { numRuns: Number(process.env["WALK_RUNS"] ?? 500) };
const all = (hold: (story: Story) => void) => fc.assert(fc.property(stories, hold), often);
const isStop = (event: RunEvent) =>
  event.type === "NOTICE" && (event.code === "cancel_requested" || event.code === "run_timed_out");

describe("a run of any plan, with any outcomes, decisions and interleavings, on nodes that die", () => {
  test("goes only where its plan leads, and ends as its steps say", () => {
    all((story) => {
      const { events, plan } = tell(story);
      expect(new WalkReferee(plan).read(events).faults).toEqual([]);
    });
  });

  test("ends within a bounded number of events, with nothing under way", () => {
    all((story) => {
      const driver = tell(story);
      expect(driver.events.length).toBeLessThanOrEqual(eventsBound(story, driver));
      const statuses = [driver.walk.run.status, ...[...driver.walk.run.steps.values()].map(({ status }) => status)];
      expect(statuses.filter((status) => !isTerminal(status))).toEqual([]);
      expect(driver.walk.ready.size).toBe(0);
    });
  });

  test("ends as it was told to, and soon, starting nothing more", () => {
    const stop = (story: Story) => {
      const { events, plan, walk } = tell(story);
      const at = events.findIndex(isStop);
      const told = events[at];
      if (told?.type !== "NOTICE" || replayed(plan, events.slice(0, at)).isFinished) return;
      expect(walk.run.status).toBe(told.code === "cancel_requested" ? "CANCELLED" : "TIMED_OUT");
      const after = events.slice(at + 1).filter(({ type }) => type === "STEP_STATUS");
      expect(after.length).toBeLessThanOrEqual(plan.steps.size);
    };
    fc.assert(fc.property(cancelled, stop), often);
  });

  test("is at every point what its stored events say", () => {
    all((story) => {
      tell(story, ({ events, walk }) => {
        const stored = events.map((event) => fromRow(JSON.parse(JSON.stringify(toRow(event)))));
        expect(stored).toEqual(events);
        expect(stored.reduce(fold, unstarted)).toEqual(walk.run);
      });
    });
  });

  test("is gone on with by the next node as by this one", () => {
    all((story) => {
      tell(story, (driver) => {
        expect(replayed(driver.plan, driver.events)).toEqual({ ...driver.walk, ready: durable(driver) });
      });
    });
  });

  test("is not moved by an outcome that it hears of again", () => {
    all((story) => {
      tell(story, ({ plan, events, walk }) => {
        for (const event of events.slice(-12)) {
          if (event.type !== "STEP_STATUS" || !isTerminal(event.status) || event.isTakenOver) continue;
          if (event.runAttempt !== walk.run.runAttempt) continue;
          const sequence = walk.run.sequence + 1;
          const again = transition(plan, walk, { ...event, sequence });
          expect(again).toEqual([{ ...walk, run: { ...walk.run, sequence } } satisfies Walk, []]);
        }
      });
    });
  });

  test("asks a vendor once for each try of a live action, and tells what came of it", () => {
    all((story) => {
      const driver = tell(story);
      const told = toldResults(driver);
      expect(new Set(told.map(([requestId]) => requestId)).size).toBe(told.length);
      const results = new Map(told);
      for (const [requestId, { outcome }] of driver.dispatches.all)
        expect(results.get(requestId)).toMatchObject(outcome);
    });
  });

  test("commands nothing once it has finished", () => {
    all((story) => {
      const { plan, events, walk } = tell(story);
      for (const event of events) {
        expect(transition(plan, walk, { ...event, sequence: walk.run.sequence + 1 })[1]).toEqual([]);
      }
    });
  });

  test("counts what failed and what was simulated as its steps stand", () => {
    all((story) => {
      const { run } = tell(story).walk;
      const statuses = [...run.steps.values()].map(({ status }) => status);
      expect(countSteps(run)).toEqual({
        failedStepCount: statuses.filter((status) => status === "FAILED" || status === "TIMED_OUT").length,
        simulatedStepCount: statuses.filter((status) => status === "SIMULATED").length,
      });
    });
  });
});

/** The outcome of each live action that was under way, by the request that it stands for. */
function toldResults({ events, info, plan }: WalkDriver): [string, RunEvent][] {
  let state = unstarted;
  return events.flatMap((event): [string, RunEvent][] => {
    const before = state;
    state = fold(state, event);
    if (event.type !== "STEP_STATUS" || !isTerminal(event.status)) return [];
    const { stepId, attempt } = event;
    const step = plan.steps.get(stepId);
    const status = before.steps.get(stepId)?.status;
    if (step?.type !== "LIVE_ACTION" || (status !== "RUNNING" && status !== "PENDING")) return [];
    return [[requestKey({ run: info, state: before, stepId, attempt }, step).requestId, event]];
  });
}

/** What is ready by the events alone: that the wait of a retry is over is known by the clock, to every node. */
function durable({ walk: { ready, run } }: WalkDriver): Walk["ready"] {
  return new Map([...ready].filter(([id]) => run.steps.get(id)?.status !== "WAITING"));
}
