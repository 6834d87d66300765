import { type Json, type JsonObject, storableText } from "../core/json.ts";
import { leastJsonBytes } from "../core/json-bytes.ts";
import { turns } from "../core/turns.ts";
import type { Attempt } from "../executors/executor.ts";
import type { TenantGate } from "../tenancy/disabled-tenants.ts";
import { prepareAgentEnd } from "./agent-task.ts";
import { askAgain } from "./ask-again.ts";
import type { CompletionNews, TellCompletion } from "./completion.ts";
import type { LogFact, NoticeFact, StepStatusFact } from "./events.ts";
import type { Asker, ExecutorSlots } from "./executor-slots.ts";
import type { RunState, StepState } from "./fold.ts";
import type { HeldBytes } from "./held-bytes.ts";
import { isHeard } from "./interruption.ts";
import type { Journal } from "./journal.ts";
import { LogBudget } from "./log-budget.ts";
import type { RunInfo } from "./new-run.ts";
import { triesAgainAfter } from "./outcome-rules.ts";
import { prepareEnd } from "./prepare-live-action.ts";
import { prepareStep } from "./prepare-step.ts";
import type { Conversation, PreparedStep, StepOutcome, StepPorts, StepStart } from "./step-ports.ts";
import { inputProblem, storableOutcome } from "./storable-outcome.ts";

export interface StepWorkPorts {
  readonly steps: StepPorts;
  readonly slots: ExecutorSlots;
  readonly completions?: TellCompletion | undefined;
  readonly journal: Pick<Journal, "room">;
  readonly tenants: TenantGate;
  /** What the run holds in memory. */
  readonly held: HeldBytes;
  /** The run as it is now. */
  run(): RunState;
  /** What a step said while its executor was at work. */
  onSaid(fact: LogFact | NoticeFact): void;
}

/** One step that is under way. */
interface Work {
  readonly controller: AbortController;
  /** An executor answers for it, or is about to. */
  isBegun: boolean;
  /** It has begun, and waits without a slot: for people, say. A node that stops does not wait for it. */
  isIdle: boolean;
  /** Its arguments and its output, once the run is about to hear of them. */
  input: Json | undefined;
  output: Json | undefined;
}

/** A step whose inputs are known: it starts, unless the run was told to stop meanwhile. */
export interface Prepared {
  readonly type: "PREPARED";
  readonly step: PreparedStep;
  readonly work: Work;
}

/** What comes of a step that is to begin. */
type Begun = Prepared | NoticeFact | undefined;

/** Made once: with a stack for each of a thousand branches it would take seconds. */
const ended = new DOMException("The step was ended.", "AbortError");

/** What is under way of one run outside the journal: inputs being worked out, executors at work. */
export class StepWork {
  readonly #ports: StepWorkPorts;
  readonly #info: RunInfo;
  readonly #underWay = new Map<string, Work>();
  readonly #logBudget = new LogBudget();
  // Once for a run, not for each of its steps.
  readonly #outputs = () => this.#allOutputs();
  readonly #isWanted = () => this.#isOpen;
  readonly #onFailed = (reason: unknown) =>
    this.#ports.steps.log.error({ runId: this.#info.id, reason: String(reason) }, "step.asked_again");
  readonly #logRoom = () => this.#ports.journal.room();
  readonly #asker: Asker;
  readonly #lost = new AbortController();
  /** What people have decided before: it is certain then, and no moment old, that the tenant is enabled. */
  readonly #approvals: readonly string[];
  #isRefused = false;
  #atWork = 0;
  #isOpen = true;

  constructor(ports: StepWorkPorts, info: RunInfo) {
    this.#ports = ports;
    this.#info = info;
    this.#asker = { tenantId: info.tenantId, heldBytes: () => ports.held.total };
    this.#approvals = [...info.plan.steps.values()].flatMap(({ type, id }) => (type === "APPROVAL" ? [id] : []));
  }

  /** What ends the run because its tenant is disabled; once. */
  refusal(): readonly NoticeFact[] {
    if (this.#isRefused || !this.#ports.tenants.isDisabled(this.#info.tenantId)) return [];
    this.#isRefused = true;
    const message = "The tenant is disabled, so nothing more of the run is executed.";
    return [{ type: "NOTICE", code: "tenant_disabled", message }];
  }

  /** Whether anything is under way outside the journal: inputs that are worked out, executors at work or waiting for that. */
  isUnderWay(): boolean {
    return this.#underWay.size > 0;
  }

  /** Whether an executor is at work, or one of these steps is about to tell its outcome. What goes on without this node does not count. */
  isBusy(executing: readonly StepState[]): boolean {
    return this.#atWork > 0 || executing.some(({ stepId }) => !this.#underWay.get(stepId)?.isIdle);
  }

  has(stepId: string): boolean {
    return this.#underWay.has(stepId);
  }

  /**
   * Works out the inputs of a step, without a promise where there is nothing to wait for.
   * @returns Where the tenant is disabled, what ends the run instead, or undefined where that was told before.
   */
  prepare({ stepId, attempt }: Pick<StepStart, "stepId" | "attempt">): Begun | Promise<Begun> {
    const work = this.#take(stepId);
    const { steps, run } = this.#ports;
    const keepInput = (input: JsonObject) => {
      const least = leastJsonBytes(input);
      const problem = inputProblem(input, () => this.#otherInputs(stepId), least);
      if (problem) return problem;
      work.input = input;
      this.#ports.held.keepInput(stepId, input, least);
      return undefined;
    };
    const common = { stepId, attempt, run: this.#info, outputs: this.#outputs, keepInput };
    const prepareNow = () => prepareStep(steps, { ...common, state: run() });
    const prepare = () => {
      const known = this.#knowTenant();
      return known ? known.then(() => turns.take(prepareNow)) : prepareNow();
    };
    const step = askAgain({
      ask: () => (turns.isSpent() ? turns.take(prepare) : prepare()),
      isWanted: this.#isWanted,
      onFailed: this.#onFailed,
    });
    return step instanceof Promise
      ? step.then((later) => later && this.#unlessRefused(later, work))
      : this.#unlessRefused(step, work);
  }

  /** Undefined where it is known already whether the tenant is disabled. */
  #knowTenant(): Promise<void> | undefined {
    const { tenants, run } = this.#ports;
    const { steps } = run();
    const isCertain = this.#approvals.some((id) => steps.get(id)?.status === "SUCCEEDED");
    return isCertain || tenants.isDisabled(this.#info.tenantId) ? tenants.renew() : tenants.believable();
  }

  #unlessRefused(step: PreparedStep, work: Work): Begun {
    const begun = prepared(step, work);
    if (!this.#ports.tenants.isDisabled(this.#info.tenantId)) return begun;
    this.forget(begun);
    return this.refusal()[0];
  }

  /**
   * A live action or an agent's task that was under way when its node died, of a run that is ending: it is told to end, and its outcome is to be
   * heard.
   * @returns Undefined for any other step.
   */
  takeBack(known: StepState): Prepared | undefined {
    const { stepId } = known;
    const step = this.#info.plan.steps.get(stepId);
    if (!step || !isHeard(known, step.type)) return undefined;
    const { steps, run } = this.#ports;
    const start = { run: this.#info, known };
    const work = this.#take(stepId);
    work.isBegun = true;
    work.controller.abort();
    const isLive = step.type === "LIVE_ACTION";
    return prepared(isLive ? prepareEnd(steps, { ...start, step }, run()) : prepareAgentEnd(steps, start, run()), work);
  }

  #take(stepId: string): Work {
    const work: Work = {
      controller: new AbortController(),
      isBegun: false,
      isIdle: false,
      input: undefined,
      output: undefined,
    };
    this.#underWay.set(stepId, work);
    return work;
  }

  /** It does not begin, or the run hears its outcome now. What the step does by then in its place stays. */
  forget({ step: { fact }, work }: Prepared): void {
    if (this.#underWay.get(fact.stepId) === work) this.#underWay.delete(fact.stepId);
  }

  /** All that counts against the bound of a run's outputs: branches may end before the run has heard of each other's. */
  *#allOutputs(): Generator<Json | undefined> {
    for (const { output } of this.#ports.run().steps.values()) yield output;
    for (const { output } of this.#underWay.values()) yield output;
  }

  /** The same for arguments, without those of one step. */
  *#otherInputs(besides: string): Generator<Json | undefined> {
    const { steps } = this.#ports.run();
    for (const { stepId, input } of steps.values()) if (stepId !== besides) yield input;
    for (const [stepId, { input }] of this.#underWay) {
      if (stepId !== besides && input !== steps.get(stepId)?.input) yield input;
    }
  }

  /** @returns Whether something is under way that will tell its outcome. Inputs that are still worked out tell none. */
  cancel(stepId: string): boolean {
    const work = this.#underWay.get(stepId);
    work?.controller.abort(ended);
    return work?.isBegun ?? false;
  }

  /** Ends everything, and tells nothing more. */
  drop(): void {
    this.#isOpen = false;
    this.#lost.abort();
    for (const { controller } of this.#underWay.values()) controller.abort(ended);
  }

  /**
   * Runs the executor to its end, as soon as there is a place for it. Never rejects. The step is under way until `forget`.
   */
  async perform(prepared: Prepared): Promise<StepOutcome> {
    const { fact, begin, takesOwnSlot } = prepared.step;
    const { work } = prepared;
    const { signal } = work.controller;
    const { signal: lost } = this.#lost;
    const inSlot: Conversation["inSlot"] = (task) => this.#inSlot(work, task);
    const conversation = { signal, lost, inSlot, onLog: this.#logger(fact), logRoom: this.#logRoom };
    // In its slot until the output counts as held: of those that nobody has looked at yet there are no more than slots.
    const task = async () => begin && this.#takenIn(prepared, await begin(conversation));
    work.isIdle = takesOwnSlot ?? false;
    return (await (takesOwnSlot ? task() : inSlot(task))) ?? { status: "CANCELLED" };
  }

  #takenIn({ step: { fact }, work }: Prepared, answer: StepOutcome): Promise<StepOutcome> {
    return turns.take(() => {
      const storable = storableOutcome(answer, this.#allOutputs());
      // Before anybody else's turn: the next output is measured beside this one.
      if ("output" in storable) {
        work.output = storable.output;
        this.#ports.held.keepOutput(fact.stepId, storable.output);
      }
      return storable;
    });
  }

  async #inSlot<T>(work: Work, task: () => Promise<T>): Promise<T | undefined> {
    const giveBack = await this.#ports.slots.take(this.#asker, work.controller.signal);
    if (!giveBack) return undefined;
    const { isIdle } = work;
    work.isIdle = false;
    this.#atWork += 1;
    try {
      return await task();
    } finally {
      this.#atWork -= 1;
      work.isIdle = isIdle;
      giveBack();
    }
  }

  /** What an outcome triggers: nothing where nothing can be triggered, or where the action is tried again. Never rejects. */
  completion(
    { step: { fact, action } }: Prepared,
    outcome: StepOutcome,
  ): CompletionNews | undefined | Promise<CompletionNews | undefined> {
    const { completions } = this.#ports;
    if (!completions || !action || outcome.status === "CANCELLED" || outcome.status === "SIMULATED") return undefined;
    const { stepId, attempt } = fact;
    const run = this.#ports.run();
    const state = run.steps.get(stepId);
    if (!state || triesAgainAfter(this.#info.plan, run, { ...state, ...outcome }) !== undefined) return undefined;
    const completion = { run: this.#info, stepId, attempt, runAttempt: run.runAttempt, action, ...outcome };
    return askAgain({
      ask: () => completions(completion),
      isWanted: this.#isWanted,
      onFailed: this.#onFailed,
    });
  }

  #logger({ stepId, attempt }: StepStatusFact): Attempt["onLog"] {
    const budget = this.#logBudget.ofAttempt();
    return (stream, text) => {
      const verdict = budget();
      if (verdict === "write") this.#ports.onSaid({ type: "LOG", stepId, attempt, stream, text: storableText(text) });
      if (verdict === "last") {
        const message = `Step ${stepId} wrote too many log lines; the rest is dropped.`;
        this.#ports.onSaid({ type: "NOTICE", stepId, code: "log_truncated", message });
      }
    };
  }
}

function prepared(step: PreparedStep, work: Work): Prepared {
  work.input = step.fact.input;
  work.output = step.fact.output;
  return { type: "PREPARED", step, work };
}
