import { DueTimer } from "./due-timer.ts";
import { type Fact, isTerminal, type RunEvent } from "./events.ts";
import { fallDue } from "./fall-due.ts";
import { headChange, isBetweenSteps, nextDue, parkUntil } from "./head-change.ts";
import { HeldBytes } from "./held-bytes.ts";
import { interruptedFact, interruptions } from "./interruption.ts";
import type { WriteResult } from "./journal-entry.ts";
import { memoryShort } from "./memory-budget.ts";
import type { NewRun, RunInfo } from "./new-run.ts";
import { activeSteps, executingSteps } from "./outcome-rules.ts";
import type { ResidentPorts } from "./resident-ports.ts";
import { type Accompaniment, type Entry, nothingElse, writable } from "./run-entry.ts";
import { HeardSignals, type Signal } from "./signal.ts";
import { type Prepared, StepWork } from "./step-work.ts";
import { answerOf, transition } from "./transition.ts";
import { beginning, type Command, type Walk } from "./walk.ts";

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
  readonly #bytes: HeldBytes;
  readonly #signals = new HeardSignals();
  /** Requests for approval whose time is over here: what becomes of them comes as a signal. */
  readonly #expiring = new Set<string>();
  #walk: Walk;
  #birth: NewRun | undefined;
  /** What came while the birth was not durable yet: nothing else of the run may ride in that flush. */
  #heldBack: { readonly items: Item[]; readonly signals: string[] } | undefined;
  #isOpen = true;
  /** The node is stopping: what is ready stays so, to be started by the next owner. */
  #isResting = false;
  /** The node is short of memory: it starts nothing more, and goes once nothing of it is under way. */
  #isLeaving = false;
  /** Nothing has come of it yet since it was taken up. */
  #isFresh = true;
  readonly #timer = new DueTimer(() => this.#fire());

  constructor(ports: ResidentPorts, info: RunInfo, walk: Walk = beginning) {
    this.#ports = ports;
    this.info = info;
    this.#walk = walk;
    const onSaid = (fact: Fact) => this.#advance([fact]);
    this.#bytes = new HeldBytes(ports.memory, info, walk.run);
    this.#work = new StepWork({ ...ports, onSaid, held: this.#bytes, run: () => this.#walk.run }, info);
  }

  /** Writes the run itself with its first events. */
  begin(birth: NewRun): Promise<WriteResult> {
    this.#birth = birth;
    this.#isFresh = false;
    return new Promise((onSettled) => {
      this.#advance([...(birth.takenOver ?? []), { type: "RUN_STATUS", status: "RUNNING" }], { onSettled });
    });
  }

  /** Goes on from the last durable point, after a crash or a sleep. */
  resume(signals: readonly Signal[]): void {
    const { run, ready } = this.#walk;
    const items: Item[] = run.status === "RUNNING" ? [] : [{ type: "RUN_STATUS", status: "RUNNING" }];
    const heard = this.#signals.hear(signals, run);
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
    const { facts, ids } = this.#signals.hear(signals, this.#walk.run);
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
    this.#timer.clear();
    this.#work.drop();
    this.#bytes.leave();
  }

  /** Starts nothing more, and resolves when no executor of it is at work and what they did is handed over. */
  async rest(): Promise<void> {
    this.#isResting = true;
    while (this.#work.isBusy(this.#isOpen ? executingSteps(this.info.plan, this.#walk.run) : [])) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #now(): number {
    return this.#ports.steps.now();
  }

  #advance(items: Item[], { signals, triggered, onSettled }: Accompaniment = nothingElse): void {
    if (!this.#isOpen) return;
    if (this.#heldBack) {
      this.#heldBack.items.push(...items);
      this.#heldBack.signals.push(...(signals ?? []));
      return;
    }
    this.#heedMemory(items);
    const beside = { approvals: undefined, closedApprovals: undefined, triggered, signals, onSettled };
    const entry: Entry = { events: [], effects: [], ...beside };
    for (let next = 0; next < items.length; next += 1) this.#take(items[next] as Item, items, entry);
    const wakeAt = this.#leave(items, entry);
    if (entry.events.length > 0) this.#handOver(entry, wakeAt ?? null);
    if (this.#walk.isFinished || wakeAt !== undefined) this.#isOpen = false;
    const due = this.#isOpen ? nextDue(this.#walk, this.info, this.#expiring) : undefined;
    this.#timer.arm(due === undefined ? undefined : due - this.#now());
  }

  /** Whether it is to make room. Where it need not any more, it starts what it has left alone. */
  #heedMemory(items: Item[]): void {
    const wasLeaving = this.#isLeaving;
    this.#isLeaving = this.#ports.memory.isToLeave(this.#bytes, this.#isFresh);
    if (!wasLeaving || this.#isLeaving) return;
    for (const [stepId, attempt] of this.#walk.ready) items.push({ type: "START_STEP", stepId, attempt });
  }

  /** Puts the run out of memory where it only waits, or is to make room. @returns Until when. */
  #leave(items: Item[], entry: Entry): number | undefined {
    const now = this.#now();
    const parkedUntil = parkUntil(this.#walk, this.info, now, this.#isLeaving);
    if (parkedUntil !== undefined) {
      this.#take({ type: "RUN_STATUS", status: "WAITING" }, items, entry);
      return parkedUntil;
    }
    if (!this.#isLeaving || this.#work.isUnderWay() || !isBetweenSteps(this.#walk)) return undefined;
    this.#take(memoryShort, items, entry);
    return now;
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
    this.#bytes.hear(event, walk.run);
    entry.events.push(event);
    items.push(...commands);
  }

  #start({ stepId, attempt }: { stepId: string; attempt: number }, items: Item[]): void {
    if (this.#isResting || this.#isLeaving || this.#walk.ready.get(stepId) !== attempt || this.#work.has(stepId))
      return;
    const prepared = this.#work.prepare({ stepId, attempt });
    if (prepared instanceof Promise) void prepared.then((later) => later && this.#advance([later]));
    else if (prepared) items.push(prepared);
  }

  #begin(prepared: Prepared, items: Item[], entry: Entry): void {
    const { fact, begin, approval } = prepared.step;
    const wanted = this.#walk.ready.get(fact.stepId);
    const isStale = this.#isResting || this.#isLeaving || wanted !== fact.attempt;
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
    this.#isFresh = false;
    const fact: Fact = { type: "STEP_STATUS", stepId, attempt, ...outcome };
    if (news) this.#advance([...news.notices, fact], { triggered: news.events });
    else this.#advance([fact]);
  }

  #handOver(entry: Entry, wakeAt: number | null): void {
    const { events, triggered } = entry;
    const birth = this.#birth;
    this.#birth = undefined;
    if (birth) this.#heldBack = { items: [], signals: [] };
    const isOver = this.#walk.isFinished || wakeAt !== null;
    if (isOver) this.#bytes.go();
    const needsHead = wakeAt !== null || this.#bytes.isNews() || events.some(({ type }) => type === "RUN_STATUS");
    this.#ports.journal.append({
      ...writable(this.info, entry),
      birth,
      head: needsHead ? headChange(this.#walk, wakeAt, this.#bytes.note()) : undefined,
      settled: (result) => {
        if (result === "written") this.#written(entry, isOver);
        else this.#unwritten(result);
        if (result === "written" && triggered) this.#ports.onTriggered?.();
        entry.onSettled?.(result);
      },
    });
  }

  #written({ events, effects }: Pick<Entry, "events" | "effects">, isOver: boolean): void {
    const heldBack = this.#heldBack;
    this.#heldBack = undefined;
    this.#ports.hub.publish(this.info, events);
    for (const effect of effects) effect();
    if (isOver) {
      this.#bytes.leave();
      this.#ports.onReleased(this, "over");
    }
    // Also with nothing in it: a timer that went off meanwhile was not set again.
    else if (heldBack) this.#advance(heldBack.items, { signals: heldBack.signals });
  }

  #unwritten(result: Exclude<WriteResult, "written">): void {
    this.drop();
    this.#ports.onReleased(this, result === "lost" ? "lost" : result === "conflict" ? "over" : "broken");
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
