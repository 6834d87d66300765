import { storableText } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Attempt, Outcome } from "../executors/executor.ts";
import { type Fact, type RunEvent, toRow } from "./events.ts";
import type { ExecutorSlots } from "./executor-slots.ts";
import { deadlineOf, headChange, nextDue, parkUntil } from "./head-change.ts";
import type { Hub } from "./hub.ts";
import { interruptedFact, noticesOf, type Signal } from "./interruption.ts";
import type { Journal } from "./journal.ts";
import type { WriteResult } from "./journal-entry.ts";
import { LogBudget } from "./log-budget.ts";
import type { NewRun, RunInfo } from "./new-run.ts";
import { type PreparedStep, prepareStep, type StepPorts } from "./perform-step.ts";
import { prepareAgain } from "./prepare-again.ts";
import { activeSteps, beginning, type Command, transition, type Walk, wake } from "./transition.ts";

export interface ResidentPorts {
  readonly journal: Pick<Journal, "append">;
  readonly hub: Pick<Hub, "publish">;
  readonly steps: StepPorts;
  readonly slots: ExecutorSlots;
  readonly log: Log;
  /** Forget the run: it has ended or parked (`over`), may not be run here any more (`lost`), or can't go on as it is (`broken`). */
  onReleased(run: ResidentRun, reason: "over" | "lost" | "broken"): void;
}

/** A step whose inputs are known: it starts, unless the run was told to stop meanwhile. */
interface Prepared {
  readonly type: "PREPARED";
  readonly step: PreparedStep;
  readonly controller: AbortController;
}

/** What is to happen to the run next; a fact may begin a new attempt of it. */
type Item = (Fact & { readonly runAttempt?: number }) | Command | Prepared;

interface Entry {
  readonly events: RunEvent[];
  readonly effects: (() => void)[];
  readonly signals: readonly string[];
  readonly onSettled?: ((result: WriteResult) => void) | undefined;
}

/**
 * One run in memory. Facts come in; the pure transition says what follows; all that happened at once is handed to the journal as one entry,
 * and only when that is durable are subscribers told and executors called. In memory the run may be ahead of the journal, never outside.
 */
export class ResidentRun {
  readonly info: RunInfo;
  readonly #ports: ResidentPorts;
  readonly #underWay = new Map<string, AbortController>();
  readonly #heardSignals = new Set<string>();
  readonly #logBudget = new LogBudget();
  #walk: Walk;
  #birth: NewRun | undefined;
  /** What came while the birth was not durable yet: nothing else of the run may ride in that flush. */
  #held: { readonly items: Item[]; readonly signals: string[] } | undefined;
  /** Executors that were called and have not ended. */
  #atWork = 0;
  #isOpen = true;
  /** The node is stopping: what is ready stays so, to be started by the next owner. */
  #isResting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(ports: ResidentPorts, info: RunInfo, walk: Walk = beginning) {
    this.#ports = ports;
    this.info = info;
    this.#walk = walk;
  }

  /** Writes the run itself with its first events. */
  begin(birth: NewRun): Promise<WriteResult> {
    this.#birth = birth;
    return new Promise((onSettled) => {
      this.#advance([{ type: "RUN_STATUS", status: "RUNNING" }], { onSettled });
    });
  }

  /** Goes on from the last durable point, after a crash or a sleep. */
  resume(signals: readonly Signal[]): void {
    const { run, ready } = this.#walk;
    const items: Item[] = run.status === "RUNNING" ? [] : [{ type: "RUN_STATUS", status: "RUNNING" }];
    const heard = this.#hear(signals);
    const isEnding = run.ending !== undefined || heard.facts.length > 0;
    const interrupted = activeSteps(this.#walk).filter(({ status }) => status === "RUNNING");
    items.push(...heard.facts, ...interrupted.map((step) => interruptedFact(step, isEnding)));
    for (const [stepId, attempt] of ready) items.push({ type: "START_STEP", stepId, attempt });
    this.#advance(items, { signals: heard.ids });
  }

  /** Hears signals; one that it has heard of already is old news. */
  signal(signals: readonly Signal[]): void {
    const { facts, ids } = this.#hear(signals);
    if (ids.length > 0) this.#advance([...facts], { signals: ids });
  }

  /** Ends the run for a reason that is not its own. */
  fail(code: string, message: string): void {
    const error = { code, message };
    const steps = activeSteps(this.#walk).map(({ stepId, attempt }): Item => {
      return { type: "STEP_STATUS", stepId, attempt, status: "FAILED", error, isFinal: true };
    });
    this.#advance([{ type: "FINISH_RUN", status: "FAILED", error }, ...steps]);
  }

  /** Ends every executor of it, without a word to the journal: the run goes on from its last durable point elsewhere, or later. */
  drop(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    for (const controller of this.#underWay.values()) controller.abort();
  }

  /** Starts nothing more, and resolves when no executor of it is at work and what they did is handed over. */
  async rest(): Promise<void> {
    this.#isResting = true;
    const isUnderWay = () => activeSteps(this.#walk).some(({ status }) => status === "RUNNING");
    while (this.#atWork > 0 || (this.#isOpen && isUnderWay())) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #hear(signals: readonly Signal[]): { facts: readonly Fact[]; ids: readonly string[] } {
    const news = signals.filter(({ id }) => !this.#heardSignals.has(id));
    for (const { id } of news) this.#heardSignals.add(id);
    return { facts: noticesOf(news), ids: news.map(({ id }) => id) };
  }

  #advance(items: Item[], { signals = [], onSettled }: Partial<Pick<Entry, "signals" | "onSettled">> = {}): void {
    if (!this.#isOpen) return;
    if (this.#held) {
      this.#held.items.push(...items);
      this.#held.signals.push(...signals);
      return;
    }
    const entry: Entry = { events: [], effects: [], signals, onSettled };
    for (let next = 0; next < items.length; next += 1) this.#take(items[next] as Item, items, entry);
    const wakeAt = parkUntil(this.#walk, this.info);
    if (wakeAt !== undefined) this.#take({ type: "RUN_STATUS", status: "WAITING" }, items, entry);
    if (entry.events.length > 0) this.#handOver(entry, wakeAt ?? null);
    if (this.#walk.isFinished || wakeAt !== undefined) this.#isOpen = false;
    this.#arm();
  }

  #take(item: Item, items: Item[], entry: Entry): void {
    switch (item.type) {
      case "START_STEP":
        this.#start(item, items);
        return;
      case "PREPARED":
        this.#begin(item, items, entry);
        return;
      case "RETRY_STEP": {
        const { stepId, attempt, delayMs } = item;
        items.push({ type: "STEP_STATUS", stepId, attempt, status: "WAITING", retryAt: Date.now() + delayMs });
        return;
      }
      case "CANCEL_STEP":
        this.#cancel(item.stepId, items);
        return;
      case "RETRY_RUN":
        items.push({ type: "RUN_STATUS", status: "RUNNING", runAttempt: item.runAttempt });
        return;
      case "FINISH_RUN":
        this.#walk = { ...this.#walk, isFinished: true };
        items.push({ type: "RUN_STATUS", status: item.status, ...(item.error ? { error: item.error } : {}) });
        return;
      default: {
        const { sequence, runAttempt } = this.#walk.run;
        const event: RunEvent = { runAttempt, ...item, sequence: sequence + 1, at: Date.now() };
        const [walk, commands] = transition(this.info.plan, this.#walk, event);
        this.#walk = walk;
        entry.events.push(event);
        items.push(...commands);
      }
    }
  }

  #start({ stepId, attempt }: { stepId: string; attempt: number }, items: Item[]): void {
    if (this.#isResting || this.#walk.ready.get(stepId) !== attempt || this.#underWay.has(stepId)) return;
    const controller = new AbortController();
    this.#underWay.set(stepId, controller);
    const step = prepareAgain({
      ask: () => prepareStep(this.#ports.steps, { run: this.info, state: this.#walk.run, stepId, attempt }),
      isWanted: () => this.#isOpen,
      onFailed: (reason) =>
        this.#ports.log.error({ runId: this.info.id, reason: String(reason) }, "step.prepare_failed"),
    });
    if (!(step instanceof Promise)) items.push({ type: "PREPARED", step, controller });
    else void step.then((later) => later && this.#advance([{ type: "PREPARED", step: later, controller }]));
  }

  #begin({ step, controller }: Prepared, items: Item[], entry: Entry): void {
    const { stepId, attempt } = step.fact;
    const isStale = this.#isResting || this.#walk.ready.get(stepId) !== attempt;
    if (isStale || !step.begin) this.#underWay.delete(stepId);
    if (isStale) return;
    items.push(step.fact);
    if (step.begin) entry.effects.push(() => void this.#perform(step, controller));
  }

  #cancel(stepId: string, items: Item[]): void {
    const controller = this.#underWay.get(stepId);
    if (controller) {
      controller.abort();
      return;
    }
    // Nothing of it may be left by now: a step that its node's death interrupted has its outcome already.
    const step = activeSteps(this.#walk).find((active) => active.stepId === stepId);
    if (step) items.push({ type: "STEP_STATUS", stepId, attempt: step.attempt, status: "CANCELLED" });
  }

  async #perform({ fact, begin }: PreparedStep, controller: AbortController): Promise<void> {
    const { stepId, attempt } = fact;
    const giveBack = await this.#ports.slots.take(this.info.tenantId, controller.signal);
    let outcome: Outcome = { status: "CANCELLED" };
    if (giveBack && begin) {
      this.#atWork += 1;
      outcome = await begin({ signal: controller.signal, onLog: this.#logger(stepId, attempt) });
      this.#atWork -= 1;
      giveBack();
    }
    this.#underWay.delete(stepId);
    this.#advance([{ type: "STEP_STATUS", stepId, attempt, ...outcome }]);
  }

  #logger(stepId: string, attempt: number): Attempt["onLog"] {
    const budget = this.#logBudget.ofAttempt();
    return (stream, text) => {
      const verdict = budget();
      if (verdict === "write") this.#advance([{ type: "LOG", stepId, attempt, stream, text: storableText(text) }]);
      if (verdict === "last") {
        const message = `Step ${stepId} wrote too many log lines; the rest is dropped.`;
        this.#advance([{ type: "NOTICE", stepId, code: "log_truncated", message }]);
      }
    };
  }

  #handOver({ events, effects, signals, onSettled }: Entry, wakeAt: number | null): void {
    const birth = this.#birth;
    this.#birth = undefined;
    if (birth) this.#held = { items: [], signals: [] };
    const isOver = this.#walk.isFinished || wakeAt !== null;
    const needsHead = events.some(({ type }) => type === "RUN_STATUS");
    this.#ports.journal.append({
      runId: this.info.id,
      tenantId: this.info.tenantId,
      events: events.map(toRow),
      ...(birth ? { birth } : {}),
      ...(needsHead ? { head: headChange(this.#walk, wakeAt) } : {}),
      ...(signals.length > 0 ? { signals } : {}),
      settled: (result) => {
        if (result === "written") this.#written({ events, effects }, isOver);
        else this.#unwritten(result);
        onSettled?.(result);
      },
    });
  }

  #written({ events, effects }: Pick<Entry, "events" | "effects">, isOver: boolean): void {
    const held = this.#held;
    this.#held = undefined;
    this.#ports.hub.publish(this.info, events);
    for (const effect of effects) effect();
    if (isOver) this.#ports.onReleased(this, "over");
    else if (held && held.items.length > 0) this.#advance(held.items, { signals: held.signals });
  }

  #unwritten(result: Exclude<WriteResult, "written">): void {
    this.drop();
    this.#ports.onReleased(this, result === "lost" ? "lost" : result === "conflict" ? "over" : "broken");
  }

  /** One timer for whatever falls due next. */
  #arm(): void {
    clearTimeout(this.#timer);
    const due = this.#isOpen ? nextDue(this.#walk, this.info) : undefined;
    if (due !== undefined)
      this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(due - Date.now(), 0), timerMsMax));
  }

  #fire(): void {
    const now = Date.now();
    const deadline = deadlineOf(this.#walk, this.info);
    if (deadline !== undefined && now >= deadline && !this.#walk.run.ending) {
      const message = "The run's time was over.";
      this.#advance([{ type: "NOTICE", code: "run_timed_out", message }]);
      return;
    }
    const items: Item[] = [];
    for (const step of this.#walk.run.steps.values()) {
      if (step.status !== "WAITING" || (step.retryAt ?? 0) > now) continue;
      const [walk, commands] = wake(this.#walk, step.stepId);
      this.#walk = walk;
      items.push(...commands);
    }
    this.#advance(items);
  }
}

/** setTimeout's own bound is 2^31 - 1; a longer wait is armed again. */
const timerMsMax = 2_000_000_000;
