import { StateFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";

/** Bounds what can be tried without having signed in, on this node, in each minute. */
export class EnrolmentTurnstile {
  #minute = 0;
  #tries = 0;

  /** @throws StateFailure `too_many_tries`. */
  pass(): void {
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) this.#tries = 0;
    this.#minute = minute;
    this.#tries += 1;
    if (this.#tries > limits.agentEnrolmentTriesPerMinuteMax) {
      throw new StateFailure("too_many_tries", "Too many agents try to enrol here at once; try again in a minute.");
    }
  }
}
