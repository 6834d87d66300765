/** A longer wait is armed again: the clock may have been set right meanwhile. */
const timerMsMax = 10_000;

/** One timer for whatever falls due next. */
export class DueTimer {
  readonly #fire: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(fire: () => void) {
    this.#fire = fire;
  }

  /** Goes off after so many milliseconds, or before, and instead of what it was armed for; undefined: not at all. */
  arm(ms: number | undefined): void {
    this.clear();
    if (ms !== undefined) this.#timer = setTimeout(this.#fire, Math.min(Math.max(ms, 0), timerMsMax));
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
