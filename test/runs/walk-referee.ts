import type { PlanStep } from "../../src/playbooks/plan.ts";
import { isTerminal, type RunEvent } from "../../src/runs/events.ts";
import type { RunPlan } from "../../src/runs/walk.ts";

type StepEvent = Extract<RunEvent, { type: "STEP_STATUS" }>;
/** Where a step's last outcome leads: to a step, or how it ends the run. */
type Way = { readonly to: string } | "SUCCEEDED" | "FAILED" | "CANCELLED" | "RETRY";

const unknowns = [
  "effect_unknown",
  "vendor_timeout",
  "connection_failed",
  "invalid_answer",
  "plugin_ended",
  "plugin_answer_invalid",
];
const denials = [
  "approval_rejected",
  "approval_expired",
  "withdrawn",
  "requester_revoked",
  "requester_lost_role",
  "timed_out",
];

/**
 * Reads a run's events against its plan, by the words of the language and without the engine's code. What it does not know is when a step's
 * tries are used up.
 */
export class WalkReferee {
  /** What is wrong with the events, in their order. */
  readonly faults: string[] = [];
  readonly #plan: RunPlan;
  #latest = new Map<string, StepEvent & { readonly isInterrupted?: true }>();
  /** The latest try that a parallel step has begun, and the one that a branch was begun for. */
  readonly #tries = new Map<string, number>();
  readonly #rounds = new Map<string, number>();
  readonly #closing = new Set<string>();
  readonly #outcomes = new Set<string>();
  /** The way that each step's latest outcome led, as things stood then. */
  readonly #ways = new Map<string, Way>();
  /** The step that the main line has come to. */
  #line: string | undefined;
  #isStopped = false;
  #runAttempt = 1;
  #isOver = false;

  constructor(plan: RunPlan) {
    this.#plan = plan;
  }

  read(events: readonly RunEvent[]): this {
    for (const [index, event] of events.entries()) {
      this.#check(event.sequence === index + 1, event, "its place");
      this.#check(!this.#isOver, event, "after the end");
      if (event.type === "RUN_STATUS") this.#readRun(event);
      else if (event.type === "STEP_STATUS") this.#readStep(event);
      else if (event.type === "NOTICE") this.#readNotice(event);
    }
    this.#checkEnd();
    return this;
  }

  #check(isRight: boolean, event: object, what: string): void {
    if (!isRight) this.faults.push(`${what}: ${JSON.stringify(event)}`);
  }

  #readRun(event: Extract<RunEvent, { type: "RUN_STATUS" }>): void {
    const { status, runAttempt } = event;
    this.#isOver = isTerminal(status);
    if (this.#isOver) this.#check(!this.#isAnythingUnderWay(), event, "ended with something under way");
    if (this.#isOver && !this.#isStopped) {
      const way = this.#wayOn();
      const isBarred = runAttempt > this.#plan.maxRetries || this.#isAnythingUnclear();
      const isUsedUp = way === "RETRY" && status === "FAILED" && isBarred;
      this.#check(way === status || isUsedUp, event, "ended otherwise than its steps say");
    }
    if (runAttempt === this.#runAttempt) return;
    const isDue =
      runAttempt === this.#runAttempt + 1 && this.#wayOn() === "RETRY" && runAttempt <= this.#plan.maxRetries + 1;
    this.#check(isDue && !this.#isStopped && !this.#isAnythingUnderWay(), event, "a retry of the run");
    this.#check(!this.#isAnythingUnclear(), event, "a retry of the run with a step to look at first");
    this.#runAttempt = runAttempt;
    this.#line = undefined;
    this.#latest = new Map([...this.#latest].filter(([, { isTakenOver }]) => isTakenOver));
    this.#tries.clear();
    this.#rounds.clear();
    this.#closing.clear();
  }

  #readNotice({ code, stepId = "" }: Extract<RunEvent, { type: "NOTICE" }>): void {
    if (code === "cancel_requested" || code === "run_timed_out") this.#isStopped = true;
    if (code === "step_timed_out" && this.#latest.get(stepId)?.status === "RUNNING") this.#closing.add(stepId);
    const step = this.#latest.get(stepId);
    if (code === "step_interrupted" && step) this.#latest.set(stepId, { ...step, isInterrupted: true });
  }

  #readStep(event: StepEvent): void {
    const { stepId, attempt, status, retryAt, isTakenOver } = event;
    const before = this.#latest.get(stepId);
    const step = this.#plan.steps.get(stepId) as PlanStep;
    const isOutcome = isTerminal(status);
    const key = `${event.runAttempt} ${stepId} ${attempt}`;
    if (isOutcome) this.#check(!this.#outcomes.has(key), event, "a second outcome");
    if (isOutcome) this.#outcomes.add(key);
    if (!isTakenOver && retryAt !== undefined) this.#checkRetry(event, step, before);
    else if (!isTakenOver && !(isOutcome && this.#endsTry(event, step, before))) this.#checkStart(event, step, before);
    if (step.type === "PARALLEL" && status === "RUNNING") {
      this.#closing.delete(stepId);
      this.#tries.set(stepId, attempt);
    }
    this.#latest.set(stepId, event);
    if (isOutcome) this.#ways.set(stepId, this.#wayOf(step, event));
  }

  /** An outcome of what was under way, or of what waited and was stopped. */
  #endsTry(
    { attempt, status }: StepEvent,
    step: PlanStep,
    before: (StepEvent & { isInterrupted?: true }) | undefined,
  ): boolean {
    if (!before || isTerminal(before.status) || before.attempt !== attempt) return false;
    // What a live action has asked is told, though it is not to begin again.
    const isTold = step.type === "LIVE_ACTION" && this.#isStopping(step);
    return status === "CANCELLED" || (before.retryAt === undefined && (!before.isInterrupted || isTold));
  }

  #checkRetry(event: StepEvent, step: PlanStep, before: StepEvent | undefined): void {
    const hasFailed = before?.status === "FAILED" || before?.status === "TIMED_OUT";
    this.#check(hasFailed && event.attempt === before.attempt + 1, event, "a retry of no failure");
    this.#check(!this.#isStopping(step), event, "a retry while it is stopped");
    this.#check(step.type !== "APPROVAL", event, "a retry of an approval");
    this.#check(before?.isFinal !== true, event, "a retry that can't help");
    this.#check(!this.#isRefused(step), event, "a retry of what people did not let happen");
    const branches = step.type === "PARALLEL" ? step.branches : [];
    this.#check(!branches.some((id) => this.#isUnclear(id)), event, "a retry with a branch to look at first");
  }

  #checkStart(event: StepEvent, step: PlanStep, before: (StepEvent & { isInterrupted?: true }) | undefined): void {
    const { stepId, attempt } = event;
    this.#check(!this.#isStopping(step), event, "a start while it is stopped");
    this.#check(!before?.isTakenOver, event, "a start of what was taken over");
    this.#check(!this.#isUnclear(stepId), event, "a start of what may have taken effect");
    if (before && !isTerminal(before.status)) {
      const isWaited = before.retryAt !== undefined && before.attempt === attempt;
      const isAgain = before.isInterrupted && before.attempt + 1 === attempt;
      this.#check(Boolean(isWaited || isAgain), event, "a start of what is under way");
      return;
    }
    this.#check(attempt === (before?.attempt ?? 0) + 1, event, "an attempt that was left out");
    if (step.parallel === undefined) {
      const way = this.#wayOn();
      this.#check(typeof way === "object" && way.to === stepId, event, "a start that nothing led to");
      this.#line = stepId;
      return;
    }
    // One that takes its time to begin may do so after `any` has gone on.
    const around = this.#plan.steps.get(step.parallel);
    const isAround = this.#latest.get(step.parallel)?.status === "RUNNING";
    const begun = this.#tries.get(step.parallel);
    const isAny = around?.type === "PARALLEL" && around.join === "ANY" && begun !== undefined;
    this.#check(isAround || isAny, event, "a branch of nothing under way");
    this.#check(this.#rounds.get(stepId) !== begun, event, "a branch begun twice");
    this.#rounds.set(stepId, begun ?? 0);
  }

  /** Where the main line goes on now, past what was taken over. */
  #wayOn(): Way | undefined {
    const from = this.#line === undefined ? undefined : this.#latest.get(this.#line);
    if (from && !isTerminal(from.status)) return undefined;
    let way: Way = from ? (this.#ways.get(from.stepId) as Way) : { to: this.#plan.first };
    while (typeof way === "object" && this.#latest.get(way.to)?.isTakenOver) way = this.#ways.get(way.to) as Way;
    return way;
  }

  #wayOf(step: PlanStep, { status, output }: StepEvent): Way {
    const next = (to: string | null): Way => (to === null ? "SUCCEEDED" : { to });
    if (status === "CANCELLED") return "CANCELLED";
    if (status === "FAILED" || status === "TIMED_OUT") {
      const rule = step.type === "APPROVAL" && status === "TIMED_OUT" ? step.onTimeout : step.onFailure;
      if (typeof rule === "object") return { to: rule.step };
      if (rule === "abort" || this.#isRefused(step)) return "FAILED";
      return rule === "retry" ? "RETRY" : next(step.onSuccess);
    }
    if (step.type === "PARALLEL") this.#checkJoin(step);
    if (step.type !== "CONDITION" || status === "SKIPPED") return next(step.onSuccess);
    return next((output as { result?: boolean } | undefined)?.result === true ? step.onTrue : step.onFalse);
  }

  /** A parallel step that has succeeded: is that what its branches say? */
  #checkJoin(step: PlanStep & { type: "PARALLEL" }): void {
    if (this.#latest.get(step.id)?.isTakenOver || !this.#latest.has(step.id)) return;
    const passed = step.branches.filter((id) => {
      const status = this.#latest.get(id)?.status ?? "PENDING";
      const branch = this.#plan.steps.get(id);
      if (status === "FAILED" || status === "TIMED_OUT")
        return branch?.type !== "APPROVAL" && branch?.onFailure === "continue" && !this.#isDenied(branch);
      return isTerminal(status) && status !== "CANCELLED";
    });
    const isJoined = step.join === "ALL" ? passed.length === step.branches.length : passed.length > 0;
    this.#check(isJoined, step, "a join that its branches do not say");
  }

  #isRefused(step: PlanStep): boolean {
    if (step.type !== "PARALLEL") return step.type === "APPROVAL" || this.#isDenied(step);
    return step.branches.some((id) => {
      const status = this.#latest.get(id)?.status;
      if (this.#isDenied(this.#plan.steps.get(id))) return true;
      if (this.#plan.steps.get(id)?.type !== "APPROVAL" || status === "SUCCEEDED" || status === "SIMULATED")
        return false;
      return this.#closing.has(step.id) || (status !== undefined && isTerminal(status));
    });
  }

  /** A live action that people were asked about, and that none of them let happen. */
  #isDenied(step: PlanStep | undefined): boolean {
    const latest = step?.type === "LIVE_ACTION" ? this.#latest.get(step.id) : undefined;
    return latest?.isFinal === true && denials.includes(latest.error?.code ?? "");
  }

  /** It may have taken effect, so a person looks before it is done again. */
  #isUnclear(stepId: string): boolean {
    const latest = this.#latest.get(stepId);
    return latest?.isFinal === true && !latest.isTakenOver && unknowns.includes(latest.error?.code ?? "");
  }

  #isAnythingUnclear(): boolean {
    return [...this.#latest.keys()].some((stepId) => this.#isUnclear(stepId));
  }

  #isStopping({ parallel = "" }: PlanStep): boolean {
    return this.#isStopped || this.#closing.has(parallel);
  }

  #isAnythingUnderWay(): boolean {
    return [...this.#latest.values()].some(({ status }) => !isTerminal(status));
  }

  #checkEnd(): void {
    this.#check(this.#isOver, {}, "no end");
  }
}
