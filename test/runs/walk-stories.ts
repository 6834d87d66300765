import fc from "fast-check";
import { limits } from "../../src/core/limits.ts";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import type { StepStatusFact } from "../../src/runs/events.ts";
import { parkUntil } from "../../src/runs/head-change.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import {
  actionStep,
  approvalStep,
  conditionStep,
  delayStep,
  liveActionStep,
  parallelSteps,
  planOf,
  type Script,
  type ScriptedOutcome,
  WalkDriver,
} from "./walk-driver.ts";

const retriesMax = 2;
const attemptsMax = 2;

/** Something that comes from outside, before the move of that number. */
type Incident = { readonly at: number } & (
  | { readonly type: "CANCEL"; readonly isUnheard: boolean }
  | { readonly type: "CRASH"; readonly lost: number; readonly downMs: number }
  | { readonly type: "WORD"; readonly request: number; readonly status: "APPROVED" | "REJECTED" | "EXPIRED" }
  | { readonly type: "PARK" }
);

/** All that decides how a run goes. */
export interface Story {
  readonly plan: RunPlan;
  readonly outcomes: readonly ScriptedOutcome[];
  readonly results: readonly boolean[];
  readonly takenOver: readonly StepStatusFact[];
  /** Its birth takes long to be written. */
  readonly isHeld: boolean;
  readonly incidents: readonly Incident[];
  /** Which of what could happen next does. */
  readonly choices: readonly number[];
}

const delays = fc.constantFrom(0, 5, 1_000, 3_000);
const times = fc.constantFrom(undefined, undefined, undefined, 1, 1_000, 4_000);

/** Without what is undefined. */
function known<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

type Rules = Pick<PlanStep, "onSuccess" | "onFailure" | "maxRetries" | "retryDelayMs">;

/** A step of any type but parallel, under these rules. */
function leaves(id: string, rules: fc.Arbitrary<Rules>, ways: readonly (string | null)[]): fc.Arbitrary<PlanStep> {
  const way = fc.constantFrom(...ways);
  const named = fc.constantFrom("abort" as const, ...ways.flatMap((step) => (step === null ? [] : [{ step }])));
  return fc.oneof(
    { weight: 4, arbitrary: rules.map((rest) => actionStep(id, rest)) },
    { weight: 2, arbitrary: rules.map((rest) => liveActionStep(id, rest)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(rules, way, way)
        .map(([rest, onTrue, onFalse]) => conditionStep(id, { ...rest, onTrue, onFalse })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(rules, delays).map(([rest, durationMs]) => delayStep(id, { ...rest, durationMs })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(rules, named, named, times)
        .map(([rest, onFailure, onTimeout, timeoutMs]) =>
          approvalStep(id, { ...rest, onFailure, onTimeout, ...known({ timeoutMs }) }),
        ),
    },
  );
}

/** A step that leads to later steps only, with its branches behind it. */
function planSteps(index: number, size: number): fc.Arbitrary<readonly PlanStep[]> {
  const id = `s${index}`;
  const later = Array.from({ length: size - index - 1 }, (_, ahead) => `s${index + 1 + ahead}`);
  const ways = [null, ...later];
  const retries = { maxRetries: fc.nat({ max: retriesMax }), retryDelayMs: delays };
  const named = later.map((step) => ({ step }));
  const rules = fc.record({
    ...retries,
    onSuccess: fc.constantFrom(...ways, ...later, ...later),
    onFailure: fc.constantFrom("abort" as const, "continue" as const, "continue" as const, "retry" as const, ...named),
  });
  const branchRules = fc.record({
    ...retries,
    onSuccess: fc.constant(null),
    onFailure: fc.constantFrom("abort" as const, "continue" as const),
  });
  const branches = fc
    .integer({ min: 1, max: 3 })
    .chain((count) =>
      fc.tuple(...Array.from({ length: count }, (_, place) => leaves(`${id}${"xyz"[place]}`, branchRules, [null]))),
    );
  const parallel = fc
    .tuple(rules, branches, fc.constantFrom("ALL" as const, "ANY" as const), times)
    .map(([rest, inside, join, timeoutMs]) => parallelSteps(id, inside, { ...rest, join, ...known({ timeoutMs }) }));
  return fc.oneof(
    { weight: 2, arbitrary: leaves(id, rules, ways).map((step) => [step]) },
    { weight: 2, arbitrary: parallel },
  );
}

const plans: fc.Arbitrary<RunPlan> = fc
  .constantFrom(1, 2, 3, 3, 4)
  .chain((size) =>
    fc.tuple(
      fc.tuple(...Array.from({ length: size }, (_, index) => planSteps(index, size))),
      fc.nat({ max: retriesMax }),
      fc.nat({ max: 6 }).map((one) => (one > 0 ? undefined : 3_000)),
    ),
  )
  .map(([steps, maxRetries, timeoutMs]) => planOf(steps.flat(), { maxRetries, ...known({ timeoutMs }) }));

const texts = fc.string({ unit: "grapheme", maxLength: 6 });
/** What people did not let happen, of live actions, and what they have to look at first. */
const lefts: fc.Arbitrary<ScriptedOutcome> = fc
  .constantFrom("approval_rejected", "approval_expired", "withdrawn", "effect_unknown", "vendor_timeout")
  .map((code) => ({ status: "FAILED", error: { code, message: "No." }, isFinal: true }));
const others: fc.Arbitrary<ScriptedOutcome> = fc
  .record({
    status: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom("SUCCEEDED", "SUCCEEDED", "FAILED") },
      { weight: 3, arbitrary: fc.constantFrom("SIMULATED", "TIMED_OUT", "SKIPPED") },
      { weight: 1, arbitrary: fc.constant("CANCELLED") },
    ),
    output: fc.option(
      fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.parse(JSON.stringify(value)) as never),
      {
        nil: undefined,
      },
    ),
    error: fc.option(fc.record({ code: texts, message: texts }), { nil: undefined }),
    isFinal: often(1, true as const),
    isImmediate: often(1, true as const),
    isSlow: often(2, true as const),
    onInterrupt: often(2, "fail" as const),
    retry: often(2, { maxAttempts: attemptsMax, backoffMs: 7 }),
  })
  .map((outcome) => known(outcome) as ScriptedOutcome);
const outcomes = fc.oneof({ weight: 9, arbitrary: others }, { weight: 1, arbitrary: lefts });

/** Of eight. */
function often<T>(times: number, value: T): fc.Arbitrary<T | undefined> {
  return fc.nat({ max: 7 }).map((one) => (one < times ? value : undefined));
}

const incidents: fc.Arbitrary<Incident> = fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 10 })).chain(([at, kind]) => {
  if (kind < 2) return fc.boolean().map((isUnheard): Incident => ({ at, type: "CANCEL", isUnheard }));
  if (kind < 6) {
    const downs = fc.constantFrom(0, 0, 1_500, 20_000);
    return fc.tuple(fc.nat({ max: 2 }), downs).map(([lost, downMs]): Incident => ({ at, type: "CRASH", lost, downMs }));
  }
  if (kind < 7) return fc.constant<Incident>({ at, type: "PARK" });
  const status = fc.constantFrom("APPROVED" as const, "REJECTED" as const, "EXPIRED" as const);
  return fc
    .tuple(fc.nat({ max: 3 }), status)
    .map(([request, word]): Incident => ({ at, type: "WORD", request, status: word }));
});

/** Outcomes of any steps of the plan but approvals, as a rerun takes them over. */
function takenOvers({ steps }: RunPlan): fc.Arbitrary<readonly StepStatusFact[]> {
  const able = [...steps.values()].filter(({ type }) => type !== "APPROVAL");
  const status = fc.constantFrom("SUCCEEDED" as const, "SUCCEEDED" as const, "SIMULATED" as const, "FAILED" as const);
  const some = fc.subarray(able).chain((chosen) =>
    fc.tuple(
      ...chosen.map(({ id }) =>
        fc.tuple(fc.integer({ min: 1, max: 4 }), status, fc.boolean()).map(([attempt, one, result]): StepStatusFact => {
          return { type: "STEP_STATUS", stepId: id, attempt, status: one, output: { result }, isTakenOver: true };
        }),
      ),
    ),
  );
  return fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: some });
}

export const stories: fc.Arbitrary<Story> = plans.chain((plan) =>
  fc.record({
    plan: fc.constant(plan),
    outcomes: fc.array(outcomes, { minLength: 1, maxLength: 12 }),
    results: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
    takenOver: takenOvers(plan),
    isHeld: fc.boolean(),
    incidents: fc.array(incidents, { maxLength: 4 }),
    choices: fc.array(fc.nat({ max: 59 }), { minLength: 1, maxLength: 40 }),
  }),
);

/** Runs that are cancelled, where they have not ended by then. */
export const cancelled: fc.Arbitrary<Story> = fc
  .tuple(stories, fc.nat({ max: 9 }), fc.boolean())
  .map(([story, at, isUnheard]) => {
    return { ...story, incidents: [...story.incidents, { at, type: "CANCEL", isUnheard }] };
  });

/** Walks the story to its end. `look` is called whenever all that happened has been handed over. */
export function tell(story: Story, look: (driver: WalkDriver) => void = () => {}): WalkDriver {
  const { plan, choices, takenOver } = story;
  let turn = 0;
  const choose = (count: number) => (choices[turn++ % choices.length] as number) % count;
  // A list of choices that repeats itself could choose the same for ever; the turn itself breaks the circle.
  const driver = new WalkDriver(plan, scriptOf(story), (count) => (choose(count) + Math.floor(turn / 97)) % count);
  driver.begin(takenOver);
  if (story.isHeld) driver.hold();
  let moves = 0;
  driver.go(() => {
    look(driver);
    for (const incident of story.incidents) {
      if (incident.at === moves && !driver.walk.isFinished) meet(driver, incident);
      look(driver);
    }
    moves += 1;
    return driver.walk.isFinished;
  });
  look(driver);
  return driver;
}

function meet(driver: WalkDriver, incident: Incident): void {
  switch (incident.type) {
    case "CANCEL":
      driver.say("CANCEL", { by: "ann" });
      if (!incident.isUnheard) driver.hear();
      return;
    case "CRASH":
      driver.crash(incident);
      return;
    case "PARK":
      // Whoever wakes it goes on as after a crash.
      if (driver.isHeld || parkUntil(driver.walk, driver.info, driver.now - limits.parkAfterMs) === undefined) return;
      driver.advance([{ type: "RUN_STATUS", status: "WAITING" }]).crash();
      return;
    case "WORD": {
      if (driver.isHeld) return;
      const { request, status } = incident;
      const ids = [...driver.plan.steps.values()].filter(({ type }) => type === "APPROVAL").map(({ id }) => id);
      const stepId = ids[request % Math.max(ids.length, 1)];
      if (stepId) driver.say("APPROVAL", { approvalId: `approval-${request + 1}`, stepId, status, by: "eve" });
      return;
    }
    default:
      incident satisfies never;
  }
}

/** The same answer for the same try, whenever it is asked. */
function scriptOf({ plan, outcomes: told, results }: Story): Script {
  return ({ stepId, attempt, runAttempt }) => {
    const who = [...stepId].reduce((sum, letter) => sum * 3 + (letter.codePointAt(0) ?? 0), 0);
    const place = who + attempt * 3 + runAttempt;
    const { retry: _, ...outcome } = told[place % told.length] as ScriptedOutcome;
    if (plan.steps.get(stepId)?.type === "CONDITION") {
      return { ...outcome, status: "SUCCEEDED", output: { result: results[place % results.length] as boolean } };
    }
    const { retry } = told[who % told.length] as ScriptedOutcome;
    return retry ? { ...outcome, retry } : outcome;
  };
}

/** More events than a run of the story can have. */
export function eventsBound({ plan, incidents: met }: Story, { saidCount }: WalkDriver): number {
  const boundOf = (step: PlanStep): number => {
    if (step.type !== "PARALLEL") return 3 * attemptsMax * (step.maxRetries + 1);
    const inside = step.branches.map((id) => boundOf(plan.steps.get(id) as PlanStep));
    return (step.maxRetries + 1) * (4 + inside.reduce((sum, one) => sum + one, 0));
  };
  const main = [...plan.steps.values()].filter(({ parallel }) => parallel === undefined);
  const once = 1 + main.map(boundOf).reduce((sum, one) => sum + one, 0);
  const crashes = met.filter(({ type }) => type === "CRASH" || type === "PARK").length;
  const interrupted = Math.min(crashes, limits.interruptionsMax + 1) * (1 + 3 * plan.steps.size);
  return 3 + plan.steps.size + (plan.maxRetries + 1) * once + saidCount + interrupted;
}
