import { withEntry, withoutEntry } from "../core/sharing-map.ts";
import type { ExecutionError } from "../executors/executor.ts";
import type { PlanParallelStep, PlanStep } from "../playbooks/plan.ts";
import { isTerminal, type RunEvent, type RunStatusFact, type StepStatusFact } from "./events.ts";
import { fold, type RunState, type StepState } from "./fold.ts";
import { joinedOutcome } from "./join.ts";
import {
  activeSteps,
  isLeftAsItIs,
  isStopping,
  isUnclear,
  isUnderWay,
  ruleOf,
  triesAgainAfter,
} from "./outcome-rules.ts";
import type { Command, RunPlan, Verdict, Walk } from "./walk.ts";

const nothingReady: Walk["ready"] = new Map();

type Move = readonly [Walk, readonly Command[]];

/**
 * The next state and what to do, from one more event. Pure and total: an event that is old news changes nothing.
 * Every run ends: each step's tries are bounded, a plan has no cycles, and once `ending` is set nothing is started.
 */
export function transition(plan: RunPlan, before: Walk, event: RunEvent): Move {
  const walk: Walk = { ...before, run: fold(before.run, event) };
  if (walk.isFinished) return [walk, []];
  switch (event.type) {
    case "RUN_STATUS": {
      const isBeginning = before.run.startedAt === undefined || event.runAttempt > before.run.runAttempt;
      return event.status === "RUNNING" && isBeginning ? startStep(plan, walk, plan.first) : [walk, []];
    }
    case "STEP_STATUS":
      if (walk.run.steps === before.run.steps || event.isTakenOver) return [walk, []];
      return afterStep(plan, heardOf(walk, event.stepId), event.stepId);
    case "NOTICE":
      return afterNotice(plan, walk, event);
    case "LOG":
      return [walk, []];
    default:
      return event satisfies never;
  }
}

/** The wait of a step is over: a retry starts, a delay has succeeded. Nothing where the run is ending or the step no longer waits. */
export function wake(walk: Walk, stepId: string): Move {
  const step = walk.run.steps.get(stepId);
  if (walk.isFinished || walk.run.ending || step?.status !== "WAITING") return [walk, []];
  const { attempt } = step;
  if (step.retryAt !== undefined) return command(walk, stepId, attempt);
  return step.until === undefined ? [walk, []] : [walk, [{ type: "END_STEP", stepId, attempt, status: "SUCCEEDED" }]];
}

/**
 * The fact that answers a command which takes nothing but time. Undefined where what came since it was given has made it pointless, so it is
 * to be asked when the fact is to happen and no sooner: a try has one outcome.
 * @param now Milliseconds since 1970.
 */
export function answerOf(
  plan: RunPlan,
  { run }: Walk,
  command: Extract<Command, { type: "RETRY_STEP" | "END_STEP" | "RETRY_RUN" }>,
  now: number,
): StepStatusFact | (RunStatusFact & { readonly runAttempt: number }) | undefined {
  if (command.type === "RETRY_RUN") {
    return run.ending ? undefined : { type: "RUN_STATUS", status: "RUNNING", runAttempt: command.runAttempt };
  }
  const { stepId, attempt } = command;
  const step = run.steps.get(stepId);
  if (!step) return undefined;
  const isOver = isTerminal(step.status);
  if (command.type === "END_STEP") {
    return isOver || step.attempt !== attempt ? undefined : { ...command, type: "STEP_STATUS" };
  }
  if (!isOver || step.attempt !== attempt - 1 || isStopping(plan, run, stepId)) return undefined;
  return { type: "STEP_STATUS", stepId, attempt, status: "WAITING", retryAt: now + command.delayMs };
}

function afterNotice(plan: RunPlan, walk: Walk, event: RunEvent & { type: "NOTICE" }): Move {
  switch (event.code) {
    case "step_interrupted": {
      const step = walk.run.steps.get(event.stepId ?? "");
      if (step?.status !== "PENDING") return [walk, []];
      if (isStopping(plan, walk.run, step.stepId)) return [walk, [{ type: "CANCEL_STEP", stepId: step.stepId }]];
      return command(walk, step.stepId, step.attempt + 1);
    }
    case "step_timed_out": {
      const step = plan.steps.get(event.stepId ?? "");
      return step?.type === "PARALLEL" ? close(plan, walk, step) : [walk, []];
    }
    case "cancel_requested":
    case "run_timed_out":
    case "tenant_disabled":
      return stop({ ...walk, ready: nothingReady }, activeSteps(walk.run), (stopped) =>
        end(plan, stopped, stopped.verdict),
      );
    default:
      return [walk, []];
  }
}

function stop(stopped: Walk, active: readonly StepState[], orElse: (walk: Walk) => Move): Move {
  if (active.length === 0) return orElse(stopped);
  return [stopped, active.map(({ stepId }) => ({ type: "CANCEL_STEP", stepId }))];
}

/** Ends the branches of a parallel step whose time is over; it ends once they have. */
function close(plan: RunPlan, walk: Walk, step: PlanParallelStep): Move {
  if (!walk.run.steps.get(step.id)?.closing) return [walk, []];
  const branches = new Set(step.branches);
  const ready = new Map([...walk.ready].filter(([id]) => !branches.has(id)));
  const active = activeSteps(walk.run).filter(({ stepId }) => branches.has(stepId));
  return stop({ ...walk, ready }, active, (stopped) => join(plan, stopped, step));
}

function afterStep(plan: RunPlan, walk: Walk, stepId: string): Move {
  const state = walk.run.steps.get(stepId);
  const step = plan.steps.get(stepId);
  if (!state || !step) return [walk, []];
  if (!isTerminal(state.status)) {
    if (isStopping(plan, walk.run, stepId)) return [walk, [{ type: "CANCEL_STEP", stepId }]];
    return step.type === "PARALLEL" && state.status === "RUNNING" ? fork(plan, walk, step) : [walk, []];
  }
  if (walk.run.ending) return end(plan, walk, walk.verdict);
  const again = triesAgainAfter(plan, walk.run, state);
  if (again !== undefined) {
    return [walk, [{ type: "RETRY_STEP", stepId, attempt: state.attempt + 1, delayMs: again }]];
  }
  return afterOutcome(plan, walk, step, state);
}

/** What follows the last word on a step. */
function afterOutcome(plan: RunPlan, walk: Walk, step: PlanStep, state: StepState): Move {
  if (step.parallel !== undefined) {
    const parallel = plan.steps.get(step.parallel);
    return parallel?.type === "PARALLEL" ? join(plan, walk, parallel) : [walk, []];
  }
  switch (state.status) {
    case "SUCCEEDED":
    case "SIMULATED":
      return goOn(plan, walk, nextOf(step, state));
    case "SKIPPED":
      return plan.kind === "ACTION" ? finish(plan, walk, "SKIPPED") : goOn(plan, walk, step.onSuccess);
    case "FAILED":
    case "TIMED_OUT":
      return afterFailure(plan, walk, step, state);
    case "CANCELLED":
      return finish(plan, walk, "CANCELLED", { code: "cancelled", message: `Step ${step.id} was cancelled.` });
    default:
      return [walk, []];
  }
}

function afterFailure(plan: RunPlan, walk: Walk, step: PlanStep, state: StepState): Move {
  const rule = ruleOf(plan, walk.run, step, state);
  if (typeof rule === "object") return goOn(plan, walk, rule.step);
  if (rule === "continue") return goOn(plan, walk, step.onSuccess);
  if (rule === "retry" && walk.run.runAttempt <= plan.maxRetries && !unclearStep(walk)) {
    return end(plan, walk, { type: "RETRY_RUN", runAttempt: walk.run.runAttempt + 1 });
  }
  const error = state.error ?? { code: "step_failed", message: "The step failed." };
  if (plan.kind === "ACTION") return finish(plan, walk, state.status === "TIMED_OUT" ? "TIMED_OUT" : "FAILED", error);
  return finish(plan, walk, "FAILED", { code: error.code, message: `Step ${step.id}: ${error.message}` });
}

/**
 * Starts every branch that is not taken over. One that an earlier try left under way goes on in this one, and where one was refused meanwhile,
 * or a person has to look at it, there is nothing to start.
 */
function fork(plan: RunPlan, walk: Walk, step: PlanParallelStep): Move {
  const { run } = walk;
  const ready = new Map(walk.ready);
  const commands: Command[] = [];
  if (!isLeftAsItIs(plan, run, step)) {
    for (const stepId of step.branches) {
      const known = run.steps.get(stepId);
      if (known?.isTakenOver || (known && !isTerminal(known.status))) continue;
      const attempt = (known?.attempt ?? 0) + 1;
      ready.set(stepId, attempt);
      commands.push({ type: "START_STEP", stepId, attempt });
    }
  }
  const [joined, more] = join(plan, { ...walk, ready }, step);
  return [joined, [...commands, ...more]];
}

/** Ends a parallel step where its branches say so. Of one that has ended before, a branch may be the last thing under way. */
function join(plan: RunPlan, walk: Walk, step: PlanParallelStep): Move {
  const state = walk.run.steps.get(step.id);
  if (state?.status !== "RUNNING") return end(plan, walk, walk.verdict);
  const outcome = joinedOutcome(plan, walk, step);
  if (!outcome) return [walk, []];
  return [walk, [{ type: "END_STEP", stepId: step.id, attempt: state.attempt, ...outcome }]];
}

function nextOf(step: PlanStep, state: StepState): string | null {
  if (step.type !== "CONDITION") return step.onSuccess;
  const output = state.output as { readonly result?: unknown } | undefined;
  return output?.result === true ? step.onTrue : step.onFalse;
}

function goOn(plan: RunPlan, walk: Walk, next: string | null): Move {
  return next === null ? finish(plan, walk, "SUCCEEDED") : startStep(plan, walk, next);
}

/** A step that was taken over is passed by its outcome. */
function startStep(plan: RunPlan, walk: Walk, stepId: string): Move {
  const known = walk.run.steps.get(stepId);
  const step = plan.steps.get(stepId);
  if (known?.isTakenOver && step) return afterOutcome(plan, walk, step, known);
  return command(walk, stepId, (known?.attempt ?? 0) + 1);
}

function command(walk: Walk, stepId: string, attempt: number): Move {
  return [{ ...walk, ready: withEntry(walk.ready, stepId, attempt) }, [{ type: "START_STEP", stepId, attempt }]];
}

function finish(plan: RunPlan, walk: Walk, status: RunState["status"], error?: ExecutionError): Move {
  return end(plan, walk, { type: "FINISH_RUN", status, ...(error ? { error } : {}) });
}

/** Comes to the verdict as soon as nothing is under way; until then it is kept. A run that was told to stop ends as it was told. */
function end(plan: RunPlan, walk: Walk, verdict: Verdict | undefined): Move {
  const decided: Walk = walk.verdict === verdict ? walk : { ...walk, verdict };
  const { ending } = walk.run;
  const last: Verdict | undefined = ending ? { type: "FINISH_RUN", ...ending } : possible(verdict, walk);
  if (!last || isUnderWay(plan, decided)) return [decided, []];
  if (ending) return [{ ...decided, isFinished: true }, [last]];
  return [{ ...decided, verdict: undefined, isFinished: last.type === "FINISH_RUN" }, [last]];
}

/** What `any` left behind may turn out to be unclear once the whole was to begin again. */
function possible(verdict: Verdict | undefined, walk: Walk): Verdict | undefined {
  const unclear = verdict?.type === "RETRY_RUN" ? unclearStep(walk) : undefined;
  if (!unclear) return verdict;
  const { code, message } = unclear.error ?? {
    code: "effect_unknown",
    message: "Nobody knows whether it took effect.",
  };
  return { type: "FINISH_RUN", status: "FAILED", error: { code, message: `Step ${unclear.stepId}: ${message}` } };
}

/** A step of this attempt of the run that a person has to look at before it may be done again. */
function unclearStep({ run }: Walk): StepState | undefined {
  return run.steps.values().find(isUnclear);
}

function heardOf(walk: Walk, stepId: string): Walk {
  if (!walk.ready.has(stepId)) return walk;
  if (walk.ready.size === 1) return { ...walk, ready: nothingReady };
  return { ...walk, ready: withoutEntry(walk.ready, stepId) };
}
