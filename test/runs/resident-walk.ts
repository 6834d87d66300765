import type { Fact, RunEvent } from "../../src/runs/events.ts";
import { fallDue } from "../../src/runs/fall-due.ts";
import type { StepState } from "../../src/runs/fold.ts";
import { interruptedFact, interruptions } from "../../src/runs/interruption.ts";
import type { RunInfo } from "../../src/runs/new-run.ts";
import { activeSteps } from "../../src/runs/outcome-rules.ts";
import { type DecisionBody, factsOf, type Signal } from "../../src/runs/signal.ts";
import { answerOf, transition } from "../../src/runs/transition.ts";
import { beginning, type Command, type RunPlan, type Walk } from "../../src/runs/walk.ts";

export type Start = { readonly stepId: string; readonly attempt: number };
type Item = (Fact & { readonly runAttempt?: number }) | Command | (Start & { readonly type: "PREPARED" });

/** The world as the walk meets it. */
export interface WalkPorts {
  /** What is written when the step begins: RUNNING, WAITING, or an outcome at once. Undefined where its inputs are not known yet. */
  begin(start: Start, isPrepared: boolean): Fact | undefined;
  /** A live action that was under way on a node that died is told to end: what it has asked is heard. */
  takeBack(known: StepState): void;
}

/**
 * What the engine's resident run does, without a journal and with a clock of its own: commands become facts, facts are heard, and all of one
 * `advance` is one hand-over.
 */
export class ResidentWalk {
  readonly plan: RunPlan;
  readonly events: RunEvent[] = [];
  /** Of every retry, in order. */
  readonly delays: number[] = [];
  /** How many events were durable after each hand-over to the journal: a crash leaves one of these. */
  readonly boundaries: number[] = [];
  walk: Walk = beginning;
  /** Milliseconds since 1970. */
  now = 1_000;
  /** Steps whose inputs are being worked out. */
  readonly preparing = new Map<string, number>();
  readonly executing = new Map<string, number>();
  /** Steps whose executors were told to end. */
  readonly told = new Set<string>();
  readonly #ports: WalkPorts;
  readonly #signals: Signal[] = [];
  /** Signals that were heard, with the hand-over that consumes them. */
  readonly #heard = new Map<string, number>();
  /** How many of the events are known to be durable, since something was called that is called only then. */
  #proven = 0;
  #held: { readonly items: Item[]; readonly signals: Signal[] } | undefined;

  constructor(plan: RunPlan, ports: WalkPorts) {
    this.plan = plan;
    this.#ports = ports;
  }

  get info(): RunInfo {
    const startedBy = { kind: "SYSTEM", name: "test" } as const;
    const { plan } = this;
    return { id: "r", tenantId: "t", kind: plan.kind, plan, context: {}, givenSecrets: {}, startedBy, createdAt: 0 };
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** How often something was said to it. */
  get saidCount(): number {
    return this.#signals.length;
  }

  /** What was said and not heard. */
  get unheard(): readonly Signal[] {
    return this.#signals.filter(({ id }) => !this.#heard.has(id));
  }

  /** What happens at once. It waits while the hand-over before it is held up. */
  advance(facts: readonly Item[], signals: readonly Signal[] = []): this {
    for (const { id } of signals) this.#heard.set(id, this.#held ? Number.POSITIVE_INFINITY : this.boundaries.length);
    if (this.#held) {
      this.#held.items.push(...facts);
      this.#held.signals.push(...signals);
      return this;
    }
    const items = [...facts];
    for (let next = 0; next < items.length; next += 1) this.#take(items[next] as Item, items);
    if (this.events.length > (this.boundaries.at(-1) ?? 0)) this.boundaries.push(this.events.length);
    return this;
  }

  /** The last hand-over is not settled yet: no executor is called for it, and what comes meanwhile comes all at once, when it is. */
  hold(): this {
    this.#held ??= { items: [], signals: [] };
    return this;
  }

  settle(): this {
    const held = this.#held;
    this.#held = undefined;
    return held ? this.advance(held.items, held.signals) : this;
  }

  /** Puts a row where the run will find it. */
  say(type: "CANCEL", body: { readonly by: string }): this;
  say(type: "APPROVAL", body: DecisionBody): this;
  say(type: string, body: object): this {
    this.#signals.push({ id: `signal-${this.#signals.length + 1}`, type, body } as Signal);
    return this;
  }

  /** The run hears all that was said. */
  hear(): this {
    const news = this.unheard;
    return news.length === 0 ? this : this.advance([...factsOf(news, this.walk.run)], news);
  }

  /** The latest start of the step is durable: its vendor is asked. */
  protected prove(stepId: string): void {
    const start = this.events.findLast((event) => event.type === "STEP_STATUS" && event.stepId === stepId);
    this.#proven = Math.max(this.#proven, start?.sequence ?? 0);
  }

  /** The node dies with its last hand-overs unwritten; the next one goes on from what the events say. */
  crash({ lost = 0, downMs = 0 } = {}): this {
    const proven = this.boundaries.filter((count) => count < this.#proven).length + 1;
    const kept = Math.min(Math.max(this.boundaries.length - lost, proven), this.boundaries.length);
    this.boundaries.length = kept;
    this.events.length = this.boundaries.at(-1) ?? 0;
    for (const [id, at] of this.#heard) if (at >= kept) this.#heard.delete(id);
    for (const memory of [this.preparing, this.executing, this.told]) memory.clear();
    this.#held = undefined;
    this.now += downMs;
    this.walk = replayed(this.plan, this.events);
    return this.walk.isFinished ? this : this.#resume();
  }

  #resume(): this {
    const { run, ready } = this.walk;
    const signals = this.unheard;
    const overdue = fallDue(this.walk, this.info, this.now).items.filter((item) => item.type === "NOTICE");
    const isCancelled = signals.some(({ type }) => type === "CANCEL");
    const interrupted = interruptions(this.plan, run, { overdue, isCancelled }).flatMap((one) => {
      if (!one.isOver || one.type !== "LIVE_ACTION") return [interruptedFact(one)];
      this.#takeBack(one.step);
      return [];
    });
    const items: Item[] = run.status === "RUNNING" ? [] : [{ type: "RUN_STATUS", status: "RUNNING" }];
    items.push(...factsOf(signals, run), ...overdue, ...interrupted);
    for (const [stepId, attempt] of ready) items.push({ type: "START_STEP", stepId, attempt });
    return this.advance(items, signals);
  }

  #take(item: Item, items: Item[]): void {
    switch (item.type) {
      case "START_STEP":
      case "PREPARED":
        this.#start(item, items);
        return;
      case "CANCEL_STEP":
        this.#cancel(item.stepId, items);
        return;
      case "RETRY_STEP":
      case "END_STEP":
      case "RETRY_RUN": {
        const fact = answerOf(this.plan, this.walk, item, this.now);
        if (fact && item.type === "RETRY_STEP") this.delays.push(item.delayMs);
        if (fact) this.#happen(fact, items);
        return;
      }
      case "FINISH_RUN":
        items.push({ type: "RUN_STATUS", status: item.status, ...(item.error ? { error: item.error } : {}) });
        return;
      default:
        this.#happen(item, items);
    }
  }

  #happen(fact: Fact & { readonly runAttempt?: number }, items: Item[]): void {
    const { sequence, runAttempt } = this.walk.run;
    const event: RunEvent = { runAttempt, ...fact, sequence: sequence + 1, at: this.now };
    const [walk, commands] = transition(this.plan, this.walk, event);
    this.walk = walk;
    this.events.push(event);
    items.push(...commands);
  }

  /** Begins a step, or works out its inputs first. What they were worked out for may not be wanted any more. */
  #start({ type, stepId, attempt }: Start & { type: "START_STEP" | "PREPARED" }, items: Item[]): void {
    const wanted = this.walk.ready.get(stepId);
    if (type === "PREPARED") this.preparing.delete(stepId);
    else if (this.preparing.has(stepId) || this.executing.has(stepId)) return;
    if (wanted !== attempt) {
      if (type === "PREPARED" && wanted !== undefined) items.push({ type: "START_STEP", stepId, attempt: wanted });
      return;
    }
    const fact = this.#ports.begin({ stepId, attempt }, type === "PREPARED");
    if (!fact) this.preparing.set(stepId, attempt);
    else {
      const type = this.plan.steps.get(stepId)?.type;
      const isCalled = type === "ACTION" || type === "LIVE_ACTION";
      if (isCalled && fact.type === "STEP_STATUS" && fact.status === "RUNNING") this.executing.set(stepId, attempt);
      this.#happen(fact, items);
    }
  }

  #takeBack(known: StepState): void {
    this.executing.set(known.stepId, known.attempt);
    this.told.add(known.stepId);
    this.#ports.takeBack(known);
  }

  /** An executor under way tells its outcome itself. */
  #cancel(stepId: string, items: Item[]): void {
    if (this.executing.has(stepId)) {
      this.told.add(stepId);
      return;
    }
    const step = activeSteps(this.walk.run).find((one) => one.stepId === stepId);
    if (step?.status === "PENDING" && this.plan.steps.get(stepId)?.type === "LIVE_ACTION") this.#takeBack(step);
    else if (step) this.#happen({ type: "STEP_STATUS", stepId, attempt: step.attempt, status: "CANCELLED" }, items);
  }
}

/** The walk that stored events lead to: what the next owner of a run starts from. */
export function replayed(plan: RunPlan, events: readonly RunEvent[]): Walk {
  let walk = beginning;
  for (const event of events) [walk] = transition(plan, walk, event);
  return walk;
}
