import type {
  PlanActionStep,
  PlanApprovalStep,
  PlanConditionStep,
  PlanDelayStep,
  PlanLiveActionStep,
  PlanParallelStep,
  PlanStep,
} from "../../src/playbooks/plan.ts";
import type { Fact, StepStatusFact } from "../../src/runs/events.ts";
import { fallDue } from "../../src/runs/fall-due.ts";
import { nextDue } from "../../src/runs/head-change.ts";
import { requestKey } from "../../src/runs/live-action-request.ts";
import { activeSteps } from "../../src/runs/outcome-rules.ts";
import type { DecisionBody } from "../../src/runs/signal.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import { ResidentWalk, type Start } from "./resident-walk.ts";
import { WalkDispatches } from "./walk-dispatches.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;

export function actionStep(id: string, rest: Partial<PlanActionStep> = {}): PlanActionStep {
  return { ...common, type: "ACTION", id, name: id, actionRef: `${id}@1.0.0`, actionId: id, parameters: {}, ...rest };
}

export function liveActionStep(id: string, rest: Partial<PlanLiveActionStep> = {}): PlanLiveActionStep {
  const asked = { capability: "isolate_host", target: "host-77", params: {}, dryRun: false } as const;
  return { ...common, type: "LIVE_ACTION", id, name: id, ...asked, ...rest };
}

export function conditionStep(id: string, rest: Partial<PlanConditionStep> = {}): PlanConditionStep {
  return { ...common, type: "CONDITION", id, name: id, expression: "true", onTrue: null, onFalse: null, ...rest };
}

export function delayStep(id: string, rest: Partial<PlanDelayStep> = {}): PlanDelayStep {
  return { ...common, type: "DELAY", id, name: id, durationMs: 60_000, ...rest };
}

export function approvalStep(id: string, rest: Partial<PlanApprovalStep> = {}): PlanApprovalStep {
  const asked = { onFailure: "abort", onTimeout: "abort", approvers: [{ role: "admin" }] } as const;
  return { ...common, type: "APPROVAL", id, name: id, ...asked, ...rest };
}

/** The parallel step and, behind it, its branches. */
export function parallelSteps(
  id: string,
  branches: readonly PlanStep[],
  rest: Partial<PlanParallelStep> = {},
): readonly PlanStep[] {
  const ids = branches.map((branch) => branch.id);
  const step: PlanParallelStep = { ...common, type: "PARALLEL", id, name: id, branches: ids, join: "ALL", ...rest };
  return [step, ...branches.map((branch) => ({ ...branch, parallel: id }))];
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

/**
 * What a try of a step comes to; `retry` and `onInterrupt` are what its action says of itself. Of an approval: SUCCEEDED and FAILED are what
 * people decide, anything else that nobody does.
 */
export type ScriptedOutcome = Pick<
  StepStatusFact,
  "status" | "output" | "error" | "isFinal" | "retry" | "onInterrupt"
> & {
  /** The outcome came of its inputs: nothing was called. */
  readonly isImmediate?: true;
  /** Its inputs are not known at once. */
  readonly isSlow?: true;
};

export type Script = (step: Start & { readonly runAttempt: number }) => ScriptedOutcome;

export const succeeded: ScriptedOutcome = { status: "SUCCEEDED", output: {} };
export const failed: ScriptedOutcome = { status: "FAILED", error: { code: "exit_code", message: "It broke." } };

export const always =
  (outcome: ScriptedOutcome): Script =>
  () =>
    outcome;

/** Outcomes of each step by attempt; the last one holds for all that follow. */
export const scripted =
  (outcomes: Record<string, readonly ScriptedOutcome[]>): Script =>
  ({ stepId, attempt }) =>
    outcomes[stepId]?.[attempt - 1] ?? outcomes[stepId]?.at(-1) ?? succeeded;

/** Which of so many things that could happen next does. */
export type Choose = (count: number) => number;

/** Walks a plan with scripted outcomes: whatever can happen next may be what happens next. By itself, the clock comes last. */
export class WalkDriver extends ResidentWalk {
  readonly #script: Script;
  readonly #choose: Choose;
  /** Requests for approval that are not open any more. */
  readonly #decided = new Set<string>();
  readonly dispatches = new WalkDispatches();
  #requests = 0;
  /** The timer of a run that is held up has gone off: it is set again with the next hand-over. */
  #hasFired = false;

  constructor(plan: RunPlan, script: Script, choose: Choose = () => 0) {
    super(plan, {
      begin: (start, isPrepared) => this.#begun(start, isPrepared),
      takeBack: (start) => this.#seek(start),
    });
    this.#script = script;
    this.#choose = choose;
  }

  begin(takenOver: readonly StepStatusFact[] = []): this {
    return this.advance([...takenOver, { type: "RUN_STATUS", status: "RUNNING" }]);
  }

  /** To the end of the run, or until `until` says so; asked before whatever happens next. */
  go(until: (driver: this) => boolean = () => false): this {
    while (!this.walk.isFinished && !until(this)) {
      const moves = this.#moves();
      const move = moves[this.#choose(moves.length)];
      if (!move) throw new Error(`Nothing is under way, and the run has not ended: ${this.trail().join(", ")}`);
      move();
    }
    return this;
  }

  /** The executor of the step ends as scripted, or, where it was told to end, may do that. */
  end(stepId: string): this {
    const attempt = this.executing.get(stepId);
    if (attempt === undefined) throw new Error(`Nothing is under way of ${stepId}: ${this.trail().join(", ")}`);
    const isLive = this.plan.steps.get(stepId)?.type === "LIVE_ACTION";
    // What a vendor was asked is waited for.
    const isObedient = this.told.has(stepId) && !(isLive && this.dispatches.isAsked(stepId)) && this.#choose(2) === 0;
    if (isLive && !isObedient) this.ask(stepId);
    this.executing.delete(stepId);
    this.told.delete(stepId);
    const result = () => (isLive ? this.dispatches.result(stepId) : this.#outcome({ stepId, attempt }));
    const outcome = isObedient ? { status: "CANCELLED" as const } : result();
    return this.advance([{ type: "STEP_STATUS", stepId, attempt, ...outcome }]);
  }

  /** The vendor of a live action is asked, and the run has yet to hear what comes of it. */
  ask(stepId: string): this {
    const attempt = this.executing.get(stepId) ?? 1;
    this.prove(stepId);
    this.dispatches.ask(stepId, this.#outcome({ stepId, attempt }));
    return this;
  }

  override crash(how: { lost?: number; downMs?: number } = {}): this {
    this.dispatches.die(() => this.#choose(2) === 0);
    return super.crash(how);
  }

  cancel(): this {
    return this.say("CANCEL", { by: "ann" }).hear();
  }

  /** The row of the request arbitrates: what comes second changes nothing. The run has yet to hear of it. */
  decide(stepId: string, status: DecisionBody["status"]): this {
    const approvalId = this.walk.run.steps.get(stepId)?.approvalId;
    if (approvalId === undefined) throw new Error(`Nobody was asked by ${stepId}: ${this.trail().join(", ")}`);
    if (this.#decided.has(approvalId)) return this;
    this.#decided.add(approvalId);
    const by = status === "EXPIRED" ? null : "bob";
    return this.say("APPROVAL", { approvalId, stepId, status, by, comment: null });
  }

  /** Time passes, and what has fallen due by then happens. */
  elapse(ms: number): this {
    this.#hasFired = this.isHeld;
    this.now += ms;
    const { walk, items, expired } = fallDue(this.walk, this.info, this.now);
    for (const { stepId, approvalId } of walk.run.steps.values()) {
      if (approvalId !== undefined && expired.includes(approvalId)) this.decide(stepId, "EXPIRED");
    }
    this.walk = walk;
    return this.advance(items);
  }

  /** Each event as one word, e.g. `enrich.1 RUNNING`. */
  trail(): string[] {
    return this.events.map((event) => {
      if (event.type === "STEP_STATUS") return `${event.stepId}.${event.attempt} ${event.status}`;
      if (event.type === "RUN_STATUS") return `run.${event.runAttempt} ${event.status}`;
      return event.type === "NOTICE" ? event.code : "log";
    });
  }

  statusOf(stepId: string): string | undefined {
    return this.walk.run.steps.get(stepId)?.status;
  }

  #moves(): readonly (() => void)[] {
    // Nobody knows yet of what a birth that is held up asks, and it is not held up for ever.
    if (this.isHeld && this.#choose(3) === 0) return [() => this.settle()];
    const due = nextDue(this.walk, this.info, this.#decided);
    return [
      ...(this.isHeld ? [() => this.settle()] : [...this.executing.keys()].map((stepId) => () => this.end(stepId))),
      ...this.#unasked().map((stepId) => () => this.ask(stepId)),
      ...[...this.preparing].map(
        ([stepId, attempt]) =>
          () =>
            this.advance([{ type: "PREPARED", stepId, attempt }]),
      ),
      ...(this.unheard.length > 0 ? [() => this.hear()] : []),
      ...(this.isHeld ? [] : this.#decisions()),
      ...(due === undefined || (this.isHeld && this.#hasFired)
        ? []
        : [() => this.elapse(Math.max(due - this.now, 0) + 1_000 * this.#choose(3))]),
    ];
  }

  /** Live actions that wait for their turn; one that is told to end asks nobody any more. */
  #unasked(): readonly string[] {
    if (this.isHeld) return [];
    return [...this.executing.keys()].filter((stepId) => {
      const isLive = this.plan.steps.get(stepId)?.type === "LIVE_ACTION";
      return isLive && !this.told.has(stepId) && !this.dispatches.isAsked(stepId);
    });
  }

  /** The step asks, or looks for what it has asked, by the id that the engine gives it. */
  #seek({ stepId, attempt }: Start): void {
    const step = this.plan.steps.get(stepId);
    if (step?.type !== "LIVE_ACTION") return;
    const key = requestKey({ run: this.info, state: this.walk.run, stepId, attempt }, step);
    this.dispatches.begin(stepId, key.requestId);
  }

  #decisions(): readonly (() => void)[] {
    return activeSteps(this.walk.run).flatMap((step) => {
      const { stepId, attempt, status, approvalId, expiresAt } = step;
      if (status !== "WAITING" || approvalId === undefined || this.#decided.has(approvalId)) return [];
      const decision = this.#scripted({ stepId, attempt }).status;
      if (decision === "SUCCEEDED") return [() => this.decide(stepId, "APPROVED")];
      if (decision === "FAILED") return [() => this.decide(stepId, "REJECTED")];
      return expiresAt === undefined ? [() => this.decide(stepId, "EXPIRED")] : [];
    });
  }

  #begun(start: Start, isPrepared: boolean): Fact | undefined {
    const { retry, onInterrupt, isImmediate, isSlow } = this.#scripted(start);
    if (isSlow && !isPrepared) return undefined;
    const about = { type: "STEP_STATUS" as const, ...start };
    const step = this.plan.steps.get(start.stepId);
    switch (step?.type) {
      case "DELAY":
        return { ...about, status: "WAITING", until: this.now + step.durationMs };
      case "APPROVAL": {
        // What it is to say can't be told, or the run is dry.
        if (isImmediate && this.#scripted(start).status === "SIMULATED") return { ...about, status: "SIMULATED" };
        if (isImmediate) return { ...about, status: "FAILED", error: { code: "bad", message: "Bad." }, isFinal: true };
        this.#requests += 1;
        const expiry = step.timeoutMs === undefined ? {} : { expiresAt: this.now + step.timeoutMs };
        return { ...about, status: "WAITING", approval: { id: `approval-${this.#requests}`, bound: {}, ...expiry } };
      }
      case "PARALLEL":
        return { ...about, status: "RUNNING" };
      case "LIVE_ACTION":
        this.#seek(start);
        // What an interrupted try has asked is looked for first.
        if (isImmediate && !this.dispatches.isAsked(start.stepId)) return { ...about, ...this.#outcome(start) };
        return { ...about, status: "RUNNING" };
      default:
        if (isImmediate || step?.type === "CONDITION") return { ...about, ...this.#outcome(start) };
        return { ...about, status: "RUNNING", ...(retry ? { retry } : {}), ...(onInterrupt ? { onInterrupt } : {}) };
    }
  }

  #outcome(start: Start): Pick<StepStatusFact, "status" | "output" | "error" | "isFinal"> {
    const { retry: _r, onInterrupt: _o, isImmediate: _i, isSlow: _s, ...outcome } = this.#scripted(start);
    return outcome;
  }

  #scripted({ stepId, attempt }: Start): ScriptedOutcome {
    return this.#script({ stepId, attempt, runAttempt: this.walk.run.runAttempt });
  }
}
