import { limits } from "../core/limits.ts";

interface Sweeping {
  /** One sweep. @returns After how many milliseconds the next is due. */
  readonly sweep: () => Promise<number>;
  readonly onFailed: (error: Error) => void;
}

/** Sweeps now and then, and whenever somebody asks for it; one at a time. Who asks while one is under way gets another behind it. */
export class SweepLoop {
  readonly #ports: Sweeping;
  #sweeping: Promise<void> | undefined;
  #isWanted = false;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(ports: Sweeping) {
    this.#ports = ports;
  }

  /** Resolves when what was there to be found has been. Never rejects. */
  sweep(): Promise<void> {
    this.#isWanted = true;
    this.#sweeping ??= this.#sweepAll().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  /** Another sweep is to follow the one under way, if there is one. */
  again(): void {
    this.#isWanted = true;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  async #sweepAll(): Promise<void> {
    clearTimeout(this.#timer);
    let delayMs: number = limits.sweepMs;
    while (this.#isWanted && !this.#isStopped) {
      this.#isWanted = false;
      try {
        delayMs = await this.#ports.sweep();
      } catch (error) {
        this.#ports.onFailed(error as Error);
      }
    }
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.sweep(), delayMs);
  }
}
