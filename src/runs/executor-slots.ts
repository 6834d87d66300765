import { limits } from "../core/limits.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** Who waits for a slot: a step of a run of this tenant, and what the run holds in memory by now. */
export interface Asker {
  readonly tenantId: string;
  readonly heldBytes: () => number;
}

interface Waiter extends Asker {
  readonly admit: () => void;
}

/**
 * Bounds the executors at work on this node, and the share of one tenant while others wait. First come, first served otherwise; but where there is
 * little memory left for results, the run that holds most comes first, since it is the soonest to leave some.
 */
export class ExecutorSlots {
  readonly #busy = new Map<string, number>();
  readonly #memory: Pick<MemoryBudget, "hasRoomForResult">;
  #total = 0;
  #waiting: Waiter[] = [];

  constructor(memory: Pick<MemoryBudget, "hasRoomForResult">) {
    this.#memory = memory;
  }

  /**
   * Takes a slot, waiting for one if need be.
   * @returns A function that gives it back, to be called once; undefined when `signal` was aborted first.
   */
  async take(asker: Asker, signal: AbortSignal): Promise<(() => void) | undefined> {
    const { tenantId } = asker;
    if (signal.aborted) return undefined;
    if (!this.#hasRoom(tenantId)) {
      const isAdmitted = await new Promise<boolean>((resolve) => {
        const waiter = { ...asker, admit: () => resolve(true) };
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

  /** There may be more memory for results than before: lets in whom there is room for. */
  admit(): void {
    while (this.#admitNext());
  }

  #hasRoom(tenantId: string): boolean {
    const isFree = this.#total < limits.executorsMax && (this.#busy.get(tenantId) ?? 0) < limits.executorsPerTenantMax;
    return isFree && this.#memory.hasRoomForResult(this.#total);
  }

  #admitNext(): boolean {
    if (this.#waiting.length === 0) return false;
    const isScarce = !this.#memory.hasRoomForResult(limits.executorsMax);
    const next = isScarce ? this.#largest() : this.#waiting.findIndex(({ tenantId }) => this.#hasRoom(tenantId));
    const [waiter] = next < 0 ? [] : this.#waiting.splice(next, 1);
    if (!waiter) return false;
    this.#occupy(waiter.tenantId);
    waiter.admit();
    return true;
  }

  /** The place of the waiter whose run holds most, among those that there is room for. */
  #largest(): number {
    let largest = -1;
    let most = -1;
    for (const [index, { tenantId, heldBytes }] of this.#waiting.entries()) {
      if (heldBytes() <= most || !this.#hasRoom(tenantId)) continue;
      largest = index;
      most = heldBytes();
    }
    return largest;
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
    this.admit();
  }
}
