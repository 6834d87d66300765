import type { PlanActionStep, PlanConditionStep, PlanStep } from "../../src/playbooks/plan.ts";
import type { Fact, RunEvent, StepStatusFact } from "../../src/runs/events.ts";
import { interruptedFact } from "../../src/runs/interruption.ts";
import {
  activeSteps,
  beginning,
  type Command,
  type RunPlan,
  transition,
  type Walk,
  wake,
} from "../../src/runs/transition.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;

export function actionStep(id: string, rest: Partial<PlanActionStep> = {}): PlanActionStep {
  return { ...common, type: "ACTION", id, name: id, actionRef: `${id}@1.0.0`, actionId: id, parameters: {}, ...rest };
}

export function conditionStep(id: string, rest: Partial<PlanConditionStep> = {}): PlanConditionStep {
  return { ...common, type: "CONDITION", id, name: id, expression: "true", onTrue: null, onFalse: null, ...rest };
}

export function planOf(steps: readonly PlanStep[], rest: Partial<RunPlan> = {}): RunPlan {
  const byId = new Map(steps.map((step) => [step.id, step]));
  return {
    kind: "PLAYBOOK",
    key: "p",
    version: "1.0.0",
    first: steps[0]?.id ?? "",
    steps: byId,
    maxRetries: 0,
    ...rest,
  };
}

/** What a try of a step comes to; `retry` and `onInterrupt` are what its action says of itself. */
export type ScriptedOutcome = Pick<
  StepStatusFact,
  "status" | "output" | "error" | "isFinal" | "retry" | "onInterrupt"
> & {
  /** The outcome came of its inputs: nothing was called. */
  readonly isImmediate?: true;
};

export type Script = (step: {
  readonly stepId: string;
  readonly attempt: number;
  readonly runAttempt: number;
}) => ScriptedOutcome;

/** Walks a plan with scripted outcomes as the engine does, without a clock and without a journal. */
export class WalkDriver {
  readonly plan: RunPlan;
  readonly events: RunEvent[] = [];
  /** Of every retry, in order. */
  readonly delays: number[] = [];
  /** How many events were durable after each hand-over to the journal: a crash leaves one of these. */
  readonly boundaries: number[] = [];
  walk: Walk = beginning;
  readonly #script: Script;

  constructor(plan: RunPlan, script: Script) {
    this.plan = plan;
    this.#script = script;
  }

  begin(): this {
    this.advance([{ type: "RUN_STATUS", status: "RUNNING" }]);
    return this;
  }

  /** To the end of the run, or until `until` says so; asked before whatever happens next. */
  go(until: (driver: this) => boolean = () => false): this {
    while (!this.walk.isFinished && !until(this)) this.#next();
    return this;
  }

  advance(facts: readonly (Fact & { runAttempt?: number })[]): void {
    const items: ((Fact & { runAttempt?: number }) | Command)[] = [...facts];
    for (let next = 0; next < items.length; next += 1) {
      const item = items[next] as Fact | Command;
      items.push(...(isCommand(item) ? this.#obey(item) : this.#hear(item)));
    }
    this.boundaries.push(this.events.length);
  }

  /** The node dies; the next one goes on from what the events say. */
  crash(): void {
    this.walk = replayed(this.plan, this.events);
    const underWay = activeSteps(this.walk).filter(({ status }) => status === "RUNNING");
    const isEnding = this.walk.run.ending !== undefined;
    this.advance(underWay.map((step) => interruptedFact(step, isEnding)));
  }

  /** Each event as one word, e.g. `enrich.1 RUNNING`. */
  trail(): string[] {
    return this.events.map((event) => {
      if (event.type === "STEP_STATUS") return `${event.stepId}.${event.attempt} ${event.status}`;
      return event.type === "RUN_STATUS"
        ? `run.${event.runAttempt} ${event.status}`
        : event.type === "NOTICE"
          ? event.code
          : "log";
    });
  }

  #next(): void {
    const step = activeSteps(this.walk)[0];
    const [ready] = this.walk.ready;
    if (step?.status === "RUNNING") this.advance([this.#outcome(step)]);
    else if (step) this.#obeyAll(wake(this.walk, step.stepId));
    else if (ready) this.#obeyAll([this.walk, [{ type: "START_STEP", stepId: ready[0], attempt: ready[1] }]]);
    else throw new Error(`Nothing is under way, and the run has not ended: ${this.trail().join(", ")}`);
  }

  #obeyAll([walk, commands]: readonly [Walk, readonly Command[]]): void {
    this.walk = walk;
    this.advance(commands.flatMap((command) => this.#obey(command)));
  }

  #hear(fact: Fact & { runAttempt?: number }): readonly Command[] {
    const { sequence, runAttempt } = this.walk.run;
    const event: RunEvent = { runAttempt, ...fact, sequence: sequence + 1, at: 1_000 + sequence };
    const [walk, commands] = transition(this.plan, this.walk, event);
    this.walk = walk;
    this.events.push(event);
    return commands;
  }

  #obey(command: Command): (Fact & { runAttempt?: number })[] {
    switch (command.type) {
      case "START_STEP":
        return this.walk.ready.get(command.stepId) === command.attempt ? [this.#started(command)] : [];
      case "RETRY_STEP": {
        const { stepId, attempt, delayMs } = command;
        this.delays.push(delayMs);
        return [{ type: "STEP_STATUS", stepId, attempt, status: "WAITING", retryAt: delayMs }];
      }
      case "CANCEL_STEP": {
        const step = activeSteps(this.walk).find(({ stepId }) => stepId === command.stepId);
        return step ? [{ type: "STEP_STATUS", stepId: step.stepId, attempt: step.attempt, status: "CANCELLED" }] : [];
      }
      case "RETRY_RUN":
        return [{ type: "RUN_STATUS", status: "RUNNING", runAttempt: command.runAttempt }];
      case "FINISH_RUN":
        return [{ type: "RUN_STATUS", status: command.status, ...(command.error ? { error: command.error } : {}) }];
      default:
        return command satisfies never;
    }
  }

  #started({ stepId, attempt }: { stepId: string; attempt: number }): Fact {
    const { retry, onInterrupt, isImmediate, ...outcome } = this.#scripted({ stepId, attempt });
    const about = { type: "STEP_STATUS" as const, stepId, attempt };
    if (isImmediate || this.plan.steps.get(stepId)?.type === "CONDITION") return { ...about, ...outcome };
    return { ...about, status: "RUNNING", ...(retry ? { retry } : {}), ...(onInterrupt ? { onInterrupt } : {}) };
  }

  #outcome({ stepId, attempt }: { stepId: string; attempt: number }): Fact {
    const { retry: _r, onInterrupt: _i, isImmediate: _m, ...outcome } = this.#scripted({ stepId, attempt });
    return { type: "STEP_STATUS", stepId, attempt, ...outcome };
  }

  #scripted(step: { stepId: string; attempt: number }): ScriptedOutcome {
    return this.#script({ ...step, runAttempt: this.walk.run.runAttempt });
  }
}

/** The walk that stored events lead to: what the next owner of a run starts from. */
export function replayed(plan: RunPlan, events: readonly RunEvent[]): Walk {
  let walk = beginning;
  for (const event of events) [walk] = transition(plan, walk, event);
  return walk;
}

const commands = new Set(["START_STEP", "RETRY_STEP", "CANCEL_STEP", "RETRY_RUN", "FINISH_RUN"]);

function isCommand(item: Fact | Command): item is Command {
  return commands.has(item.type);
}
