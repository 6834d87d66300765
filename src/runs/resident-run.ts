import { type Fact, isTerminal, type RunEvent, toRow } from "./events.ts";
import { fallDue } from "./fall-due.ts";
import type { StepState } from "./fold.ts";
import { headChange, nextDue, parkUntil } from "./head-change.ts";
import type { Hub } from "./hub.ts";
import { interruptedFact, interruptions } from "./interruption.ts";
import type { Journal } from "./journal.ts";
import type { WriteResult } from "./journal-entry.ts";
import type { NewRun, RunInfo } from "./new-run.ts";
import { activeSteps } from "./outcome-rules.ts";
import { type Accompaniment, type Entry, nothingElse } from "./run-entry.ts";
import { factsOf, type Signal } from "./signal.ts";
import { type Prepared, StepWork, type StepWorkPorts } from "./step-work.ts";
import { answerOf, transition } from "./transition.ts";
import { beginning, type Command, type Walk } from "./walk.ts";

export interface ResidentPorts extends Omit<StepWorkPorts, "run" | "onSaid"> {
  readonly journal: Pick<Journal, "append" | "room">;
  readonly hub: Pick<Hub, "publish">;
  /** The time for an approval is over: its row says what becomes of it, and the run hears it as a signal. */
  expire(approvalId: string): void;
  /** Something was triggered: durable now. */
  onTriggered?(): void;
  /** Forget the run: it has ended or parked (`over`), may not be run here any more (`lost`), or can't go on as it is (`broken`). */
  onReleased(run: ResidentRun, reason: "over" | "lost" | "broken"): void;
}

/** What is to happen to the run next; a fact may begin a new attempt of it. */
type Item = (Fact & { readonly runAttempt?: number }) | Command | Prepared;

/**
 * One run in memory. Facts come in; the pure transition says what follows; all that happened at once is handed to the journal as one entry,
 * and only when that is durable are subscribers told and executors called. In memory the run may be ahead of the journal, never outside.
 */
export class ResidentRun {
  readonly info: RunInfo;
  readonly #ports: ResidentPorts;
  readonly #work: StepWork;
  readonly #heardSignals = new Set<string>();
  /** Requests for approval whose time is over here: what becomes of them comes as a signal. */
  readonly #expiring = new Set<string>();
  #walk: Walk;
  #birth: NewRun | undefined;
  /** What came while the birth was not durable yet: nothing else of the run may ride in that flush. */
  #held: { readonly items: Item[]; readonly signals: string[] } | undefined;
  #isOpen = true;
  /** The node is stopping: what is ready stays so, to be started by the next owner. */
  #isResting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(ports: ResidentPorts, info: RunInfo, walk: Walk = beginning) {
    this.#ports = ports;
    this.info = info;
    this.#walk = walk;
    const onSaid = (fact: Fact) => this.#advance([fact]);
    this.#work = new StepWork({ ...ports, onSaid, run: () => this.#walk.run }, info);
  }

  /** Writes the run itself with its first events. */
  begin(birth: NewRun): Promise<WriteResult> {
    this.#birth = birth;
    return new Promise((onSettled) => {
      this.#advance([...(birth.takenOver ?? []), { type: "RUN_STATUS", status: "RUNNING" }], { onSettled });
    });
  }

  /** Goes on from the last durable point, after a crash or a sleep. */
  resume(signals: readonly Signal[]): void {
    const { run, ready } = this.#walk;
    const items: Item[] = run.status === "RUNNING" ? [] : [{ type: "RUN_STATUS", status: "RUNNING" }];
    const heard = this.#hear(signals);
    // What was interrupted is not run again where the time for it was over meanwhile.
    const due = fallDue(this.#walk, this.info, this.#now()).items.filter((item) => item.type === "NOTICE");
    const overdue = [...due, ...this.#work.refusal()];
    const isCancelled = signals.some(({ type }) => type === "CANCEL");
    const interrupted = interruptions(this.info.plan, run, { overdue, isCancelled }).flatMap((one) => {
      const takenBack = one.isOver && this.#work.takeBack(one.step);
      if (!takenBack) return interruptedFact(one);
      void this.#perform(takenBack);
      return [];
    });
    items.push(...heard.facts, ...overdue, ...interrupted);
    for (const [stepId, attempt] of ready) items.push({ type: "START_STEP", stepId, attempt });
    this.#advance(items, { signals: heard.ids });
  }

  /** Hears signals; one that it has heard of already is old news. */
  signal(signals: readonly Signal[]): void {
    const { facts, ids } = this.#hear(signals);
    if (ids.length > 0) this.#advance([...facts], { signals: ids });
  }

  /** Ends the run where its tenant is disabled by now. */
  refuse(): void {
    this.#advance([...this.#work.refusal()]);
  }

  /** Ends the run for a reason that is not its own. */
  fail(code: string, message: string): void {
    const error = { code, message };
    const steps = activeSteps(this.#walk.run).map(({ stepId, attempt }): Item => {
      return { type: "STEP_STATUS", stepId, attempt, status: "FAILED", error, isFinal: true };
    });
    this.#advance([{ type: "FINISH_RUN", status: "FAILED", error }, ...steps]);
  }

  /** Ends every executor of it, without a word to the journal: the run goes on from its last durable point elsewhere, or later. */
  drop(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#work.drop();
  }

  /** Starts nothing more, and resolves when no executor of it is at work and what they did is handed over. */
  async rest(): Promise<void> {
    this.#isResting = true;
    while (this.#work.isBusy(this.#isOpen ? this.#executing() : [])) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #now(): number {
    return this.#ports.steps.now();
  }

  /** Steps that an executor answers for: all that are under way but parallel ones. */
  #executing(): readonly StepState[] {
    const { steps } = this.info.plan;
    return activeSteps(this.#walk.run).filter(
      ({ stepId, status }) => status === "RUNNING" && steps.get(stepId)?.type !== "PARALLEL",
    );
  }

  #hear(signals: readonly Signal[]): { facts: readonly Fact[]; ids: readonly string[] } {
    const news = signals.filter(({ id }) => !this.#heardSignals.has(id));
    for (const { id } of news) this.#heardSignals.add(id);
    return { facts: factsOf(news, this.#walk.run), ids: news.map(({ id }) => id) };
  }

  #advance(items: Item[], { signals, triggered, onSettled }: Accompaniment = nothingElse): void {
    if (!this.#isOpen) return;
    if (this.#held) {
      this.#held.items.push(...items);
      this.#held.signals.push(...(signals ?? []));
      return;
    }
    const beside = { approvals: undefined, closedApprovals: undefined, triggered, signals, onSettled };
    const entry: Entry = { events: [], effects: [], ...beside };
    for (let next = 0; next < items.length; next += 1) this.#take(items[next] as Item, items, entry);
    const wakeAt = parkUntil(this.#walk, this.info, this.#now());
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
      case "RETRY_STEP":
      case "END_STEP":
      case "RETRY_RUN": {
        // A dry run waits for nothing. What came since may have made the command pointless.
        const command = item.type === "RETRY_STEP" && this.info.dryRun ? { ...item, delayMs: 0 } : item;
        const fact = answerOf(this.info.plan, this.#walk, command, this.#now());
        if (fact) this.#happen(fact, items, entry);
        return;
      }
      case "CANCEL_STEP": {
        // Nothing of it may be left by now: a step that its node's death interrupted has its outcome already.
        const step = this.#walk.run.steps.get(item.stepId);
        if (this.#work.cancel(item.stepId) || !step || isTerminal(step.status)) return;
        // Its node's death has interrupted it, and it has not begun again: what it has asked is heard.
        const takenBack = step.status === "PENDING" && this.#work.takeBack(step);
        if (takenBack) return void entry.effects.push(() => void this.#perform(takenBack));
        // At once, so that a second command of the same finds it ended.
        const { attempt } = step;
        this.#happen({ type: "STEP_STATUS", stepId: item.stepId, attempt, status: "CANCELLED" }, items, entry);
        return;
      }
      case "FINISH_RUN":
        this.#walk = { ...this.#walk, isFinished: true };
        items.push({ type: "RUN_STATUS", status: item.status, ...(item.error ? { error: item.error } : {}) });
        return;
      default:
        this.#happen(item, items, entry);
    }
  }

  #happen(fact: Fact & { readonly runAttempt?: number }, items: Item[], entry: Entry): void {
    const { sequence, runAttempt, steps } = this.#walk.run;
    const event: RunEvent = { runAttempt, ...fact, sequence: sequence + 1, at: this.#now() };
    const [walk, commands] = transition(this.info.plan, this.#walk, event);
    if (event.type === "STEP_STATUS" && event.output === undefined && isTerminal(event.status)) {
      // It ends without a decision: nobody is to decide any more.
      const approvalId = steps.get(event.stepId)?.approvalId;
      if (approvalId !== undefined) entry.closedApprovals = [...(entry.closedApprovals ?? []), approvalId];
    }
    this.#walk = walk;
    entry.events.push(event);
    items.push(...commands);
  }

  #start({ stepId, attempt }: { stepId: string; attempt: number }, items: Item[]): void {
    if (this.#isResting || this.#walk.ready.get(stepId) !== attempt || this.#work.has(stepId)) return;
    const prepared = this.#work.prepare({ stepId, attempt });
    if (prepared instanceof Promise) void prepared.then((later) => later && this.#advance([later]));
    else if (prepared) items.push(prepared);
  }

  #begin(prepared: Prepared, items: Item[], entry: Entry): void {
    const { fact, begin, approval } = prepared.step;
    const wanted = this.#walk.ready.get(fact.stepId);
    const isStale = this.#isResting || wanted !== fact.attempt;
    if (isStale || !begin) this.#work.forget(prepared);
    else prepared.work.isBegun = true;
    // While these inputs were worked out, another try may have become due.
    if (isStale && wanted !== undefined) items.push({ type: "START_STEP", stepId: fact.stepId, attempt: wanted });
    if (isStale) return;
    // At once: what waits in line, such as a cancel, finds it begun.
    this.#happen(fact, items, entry);
    if (approval) entry.approvals = [...(entry.approvals ?? []), approval];
    if (begin) entry.effects.push(() => void this.#perform(prepared));
  }

  async #perform(prepared: Prepared): Promise<void> {
    const { stepId, attempt } = prepared.step.fact;
    const outcome = await this.#work.perform(prepared);
    const told = this.#work.completion(prepared, outcome);
    const news = told instanceof Promise ? await told : told;
    this.#work.forget(prepared);
    const fact: Fact = { type: "STEP_STATUS", stepId, attempt, ...outcome };
    if (news) this.#advance([...news.notices, fact], { triggered: news.events });
    else this.#advance([fact]);
  }

  #handOver(entry: Entry, wakeAt: number | null): void {
    const { events, triggered, signals, approvals, closedApprovals } = entry;
    const birth = this.#birth;
    this.#birth = undefined;
    if (birth) this.#held = { items: [], signals: [] };
    const isOver = this.#walk.isFinished || wakeAt !== null;
    const needsHead = events.some(({ type }) => type === "RUN_STATUS");
    this.#ports.journal.append({
      runId: this.info.id,
      tenantId: this.info.tenantId,
      events: events.map(toRow),
      head: needsHead ? headChange(this.#walk, wakeAt) : undefined,
      ...{ birth, signals, approvals, closedApprovals, triggered },
      settled: (result) => {
        if (result === "written") this.#written(entry, isOver);
        else this.#unwritten(result);
        if (result === "written" && triggered) this.#ports.onTriggered?.();
        entry.onSettled?.(result);
      },
    });
  }

  #written({ events, effects }: Pick<Entry, "events" | "effects">, isOver: boolean): void {
    const held = this.#held;
    this.#held = undefined;
    this.#ports.hub.publish(this.info, events);
    for (const effect of effects) effect();
    if (isOver) this.#ports.onReleased(this, "over");
    // Also with nothing in it: a timer that went off meanwhile was not set again.
    else if (held) this.#advance(held.items, { signals: held.signals });
  }

  #unwritten(result: Exclude<WriteResult, "written">): void {
    this.drop();
    this.#ports.onReleased(this, result === "lost" ? "lost" : result === "conflict" ? "over" : "broken");
  }

  /** One timer for whatever falls due next. */
  #arm(): void {
    clearTimeout(this.#timer);
    const due = this.#isOpen ? nextDue(this.#walk, this.info, this.#expiring) : undefined;
    if (due !== undefined)
      this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(due - this.#now(), 0), timerMsMax));
  }

  #fire(): void {
    const due = fallDue(this.#walk, this.info, this.#now());
    for (const approvalId of due.expired) {
      if (!this.#expiring.has(approvalId)) this.#ports.expire(approvalId);
      this.#expiring.add(approvalId);
    }
    this.#walk = due.walk;
    this.#advance([...due.items]);
  }
}

/** A longer wait is armed again: the clock may have been set right meanwhile. */
const timerMsMax = 10_000;
