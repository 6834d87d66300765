/** Looks at something again and again, one look at a time, until it is stopped. */
export class RegularLook {
  readonly #look: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isStopped = false;

  /** @param look Never rejects, and says how many milliseconds later the next look begins. */
  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Looks at once. */
  start(): void {
    this.#looking = this.#again();
  }

  /** Waits for the look that is under way; none follows it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #again(): Promise<void> {
    const delayMs = await this.#look();
    if (!this.#isStopped) this.#timer = setTimeout(() => this.start(), delayMs);
  }
}
