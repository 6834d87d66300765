import type { StepStatusFact } from "../../src/runs/events.ts";

type Outcome = Pick<StepStatusFact, "status" | "output" | "error" | "isFinal">;

/** A dispatch that a vendor was asked by. */
interface Dispatch {
  readonly outcome: Outcome;
  /** The result is in its row: the death of its node does not make it unknown any more. */
  readonly isOver: boolean;
}

const effectUnknown: Outcome = {
  status: "FAILED",
  error: { code: "effect_unknown", message: "Nobody knows." },
  isFinal: true,
};

/** What the live actions of a walk have asked of vendors: rows beside the run, which no crash takes away. */
export class WalkDispatches {
  readonly #byRequest = new Map<string, Dispatch>();
  /** What each step that is under way asks for. */
  readonly #requests = new Map<string, string>();

  /** Every request that a vendor was asked, and what came of it. */
  get all(): ReadonlyMap<string, Dispatch> {
    return this.#byRequest;
  }

  /** A step begins to ask, or looks for what it has asked. */
  begin(stepId: string, requestId: string): void {
    this.#requests.set(stepId, requestId);
  }

  isAsked(stepId: string): boolean {
    return this.#byRequest.has(this.#requestOf(stepId));
  }

  /** The vendor is asked, once: whoever asks the same again finds the row. */
  ask(stepId: string, outcome: Outcome): void {
    const requestId = this.#requestOf(stepId);
    if (!this.#byRequest.has(requestId)) this.#byRequest.set(requestId, { outcome, isOver: false });
  }

  /** The result, which is in its row before anybody hears of it. */
  result(stepId: string): Outcome {
    const requestId = this.#requestOf(stepId);
    const { outcome } = this.#byRequest.get(requestId) as Dispatch;
    this.#byRequest.set(requestId, { outcome, isOver: true });
    return outcome;
  }

  /** The node dies: of what it had asked and not heard, `isLost` says what nobody will know. */
  die(isLost: () => boolean): void {
    for (const [requestId, { isOver }] of this.#byRequest) {
      if (!isOver && isLost()) this.#byRequest.set(requestId, { outcome: effectUnknown, isOver: true });
    }
    this.#requests.clear();
  }

  #requestOf(stepId: string): string {
    const requestId = this.#requests.get(stepId);
    if (requestId === undefined) throw new Error(`The live action ${stepId} is not under way.`);
    return requestId;
  }
}
