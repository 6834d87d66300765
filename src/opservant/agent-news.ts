/**
 * Who waits for something of an agent or of a task hears that it is worth looking. Notifications come from whichever node, and may be lost:
 * whoever listens looks from time to time by itself.
 */
export class AgentNews {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** @returns A function that ends it. */
  on(id: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id);
    };
  }

  /** The id of an agent or a task, or `*` for all of them. */
  hint(id: string): void {
    const told = id === "*" ? [...this.#listeners.values()] : [this.#listeners.get(id) ?? []];
    for (const listeners of told) for (const listener of [...listeners]) listener();
  }
}

/** The channel that notifications come on; the payload is the id of an agent or of a task. */
export const agentChannel = "riposte_agent";

/** Resolves when one of the ids is told of, after `ms`, or when a signal is aborted; what was told since `listen` began counts. */
export class Alertness {
  #isNews = false;
  #wake = () => {};
  readonly #leave: readonly (() => void)[];

  constructor(news: AgentNews, ids: readonly string[], signals: readonly AbortSignal[]) {
    const tell = () => {
      this.#isNews = true;
      this.#wake();
    };
    for (const signal of signals) signal.addEventListener("abort", tell);
    this.#leave = [
      ...ids.map((id) => news.on(id, tell)),
      ...signals.map((signal) => () => signal.removeEventListener("abort", tell)),
    ];
  }

  /** Call it before looking: what comes from then on ends the next wait. */
  clear(): void {
    this.#isNews = false;
  }

  async wait(ms: number): Promise<void> {
    if (this.#isNews) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  end(): void {
    for (const leave of this.#leave) leave();
  }
}
