import { type Json, storableText } from "../core/json.ts";
import type { Attempt, Outcome } from "../executors/executor.ts";
import { askAgain } from "./ask-again.ts";
import type { CompletionNews, TellCompletion } from "./completion.ts";
import type { LogFact, NoticeFact } from "./events.ts";
import type { ExecutorSlots } from "./executor-slots.ts";
import type { RunState } from "./fold.ts";
import { LogBudget } from "./log-budget.ts";
import type { RunInfo } from "./new-run.ts";
import { triesAgainAfter } from "./outcome-rules.ts";
import { prepareStep } from "./prepare-step.ts";
import type { PreparedStep, StepPorts, StepStart } from "./step-ports.ts";
import { storableOutcome } from "./storable-outcome.ts";

export interface StepWorkPorts {
  readonly steps: StepPorts;
  readonly slots: ExecutorSlots;
  readonly completions?: TellCompletion | undefined;
  /** What a step said while its executor was at work. */
  onSaid(fact: LogFact | NoticeFact): void;
}

/** A step whose inputs are known: it starts, unless the run was told to stop meanwhile. */
export interface Prepared {
  readonly type: "PREPARED";
  readonly step: PreparedStep;
  readonly controller: AbortController;
}

/** What is under way of one run outside the journal: inputs being worked out, executors at work. */
export class StepWork {
  readonly #ports: StepWorkPorts;
  readonly #info: RunInfo;
  readonly #underWay = new Map<string, AbortController>();
  /** Of those, the ones that an executor answers for, or is about to. */
  readonly #begun = new Set<string>();
  /** Outputs of steps under way that the run is about to hear. */
  readonly #outputs = new Map<string, Json>();
  readonly #logBudget = new LogBudget();
  #atWork = 0;
  #isOpen = true;

  constructor(ports: StepWorkPorts, info: RunInfo) {
    this.#ports = ports;
    this.#info = info;
  }

  /** Executors that were called and have not ended. */
  get atWork(): number {
    return this.#atWork;
  }

  has(stepId: string): boolean {
    return this.#underWay.has(stepId);
  }

  /** Works out the inputs of a step, without a promise where there is nothing to wait for. */
  prepare(
    start: Pick<StepStart, "stepId" | "attempt">,
    state: () => StepStart["state"],
  ): Prepared | Promise<Prepared | undefined> {
    const controller = new AbortController();
    this.#underWay.set(start.stepId, controller);
    const { steps } = this.#ports;
    const outputs = () => this.#outputsOf(state());
    const step = askAgain({
      ask: () => prepareStep(steps, { ...start, run: this.#info, state: state(), outputs }),
      isWanted: () => this.#isOpen,
      onFailed: (reason) => steps.log.error({ runId: this.#info.id, reason: String(reason) }, "step.prepare_failed"),
    });
    const prepared = (ready: PreparedStep): Prepared => {
      this.#expect(start.stepId, ready.fact.output);
      return { type: "PREPARED", step: ready, controller };
    };
    return step instanceof Promise ? step.then((later) => later && prepared(later)) : prepared(step);
  }

  /** It begins: `perform` follows. */
  begins(stepId: string): void {
    this.#begun.add(stepId);
  }

  /** It does not begin, or the run hears its outcome now. */
  forget(stepId: string): void {
    this.#underWay.delete(stepId);
    this.#begun.delete(stepId);
    this.#outputs.delete(stepId);
  }

  #expect(stepId: string, output: Json | undefined): void {
    if (output !== undefined) this.#outputs.set(stepId, output);
  }

  /** All that counts against the bound of a run's outputs: branches may end before the run has heard of each other's. */
  #outputsOf(run: RunState): readonly (Json | undefined)[] {
    return [...run.steps.values().map(({ output }) => output), ...this.#outputs.values()];
  }

  /** @returns Whether something is under way that will tell its outcome. Inputs that are still worked out tell none. */
  cancel(stepId: string): boolean {
    this.#underWay.get(stepId)?.abort();
    return this.#begun.has(stepId);
  }

  /** Ends everything, and tells nothing more. */
  drop(): void {
    this.#isOpen = false;
    for (const controller of this.#underWay.values()) controller.abort();
  }

  /**
   * Runs the executor to its end, as soon as there is a place for it, and finds out what that triggers. Never rejects. It is under way
   * until `forget`.
   */
  async perform(
    prepared: Prepared,
    run: () => RunState,
  ): Promise<{ outcome: Outcome; news?: CompletionNews | undefined }> {
    const outcome = storableOutcome(await this.#execute(prepared), this.#outputsOf(run()));
    this.#expect(prepared.step.fact.stepId, "output" in outcome ? outcome.output : undefined);
    const news = this.#completion(prepared, outcome, run());
    return { outcome, news: news instanceof Promise ? await news : news };
  }

  async #execute({ step: { fact, begin }, controller }: Prepared): Promise<Outcome> {
    const { stepId, attempt } = fact;
    const giveBack = await this.#ports.slots.take(this.#info.tenantId, controller.signal);
    if (!giveBack || !begin) return { status: "CANCELLED" };
    this.#atWork += 1;
    const outcome = await begin({ signal: controller.signal, onLog: this.#logger(stepId, attempt) });
    this.#atWork -= 1;
    giveBack();
    return outcome;
  }

  /** Nothing where nothing can be triggered, or where the action is tried again. */
  #completion(
    { step: { fact, action } }: Prepared,
    outcome: Outcome,
    run: RunState,
  ): CompletionNews | undefined | Promise<CompletionNews | undefined> {
    const { completions } = this.#ports;
    if (!completions || !action || outcome.status === "CANCELLED") return undefined;
    const { stepId, attempt } = fact;
    const state = run.steps.get(stepId);
    if (!state || triesAgainAfter(this.#info.plan, run, { ...state, ...outcome }) !== undefined) return undefined;
    const completion = { run: this.#info, stepId, attempt, runAttempt: run.runAttempt, action, ...outcome };
    return askAgain({
      ask: () => completions(completion),
      isWanted: () => this.#isOpen,
      onFailed: (reason) => {
        this.#ports.steps.log.warn({ runId: this.#info.id, reason: String(reason) }, "run.completion_untold");
      },
    });
  }

  #logger(stepId: string, attempt: number): Attempt["onLog"] {
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
