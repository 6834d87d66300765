import { limits } from "../core/limits.ts";

interface Waiter {
  readonly tenantId: string;
  readonly admit: () => void;
}

/**
 * Bounds the executors at work on this node, and the share of one tenant while others wait. First come, first served otherwise.
 */
export class ExecutorSlots {
  readonly #busy = new Map<string, number>();
  #total = 0;
  #waiting: Waiter[] = [];

  /**
   * Takes a slot, waiting for one if need be.
   * @returns A function that gives it back, to be called once; undefined when `signal` was aborted first.
   */
  async take(tenantId: string, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return undefined;
    if (!this.#hasRoom(tenantId)) {
      const isAdmitted = await new Promise<boolean>((resolve) => {
        const waiter = { tenantId, admit: () => resolve(true) };
        this.#waiting.push(waiter);
        signal.addEventListener("abort", () => {
          this.#waiting = this.#waiting.filter((other) => other !== waiter);
          resolve(false);
        });
      });
      if (!isAdmitted) return undefined;
    } else this.#occupy(tenantId);
    return () => this.#release(tenantId);
  }

  #hasRoom(tenantId: string): boolean {
    return this.#total < limits.executorsMax && (this.#busy.get(tenantId) ?? 0) < limits.executorsPerTenantMax;
  }

  #occupy(tenantId: string): void {
    this.#total += 1;
    this.#busy.set(tenantId, (this.#busy.get(tenantId) ?? 0) + 1);
  }

  #release(tenantId: string): void {
    this.#total -= 1;
    const left = (this.#busy.get(tenantId) ?? 1) - 1;
    if (left === 0) this.#busy.delete(tenantId);
    else this.#busy.set(tenantId, left);
    const next = this.#waiting.findIndex((waiter) => this.#hasRoom(waiter.tenantId));
    const [waiter] = next < 0 ? [] : this.#waiting.splice(next, 1);
    if (!waiter) return;
    this.#occupy(waiter.tenantId);
    waiter.admit();
  }
}
