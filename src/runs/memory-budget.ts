import { getHeapStatistics } from "node:v8";
import { limits } from "../core/limits.ts";
import type { NoticeFact } from "./events.ts";

/** What is told of a run that leaves memory before its next step. */
export const memoryShort: NoticeFact = {
  type: "NOTICE",
  code: "memory_short",
  message: "The node had little memory left; the run goes on as soon as a node has room for it.",
};

/** Someone who holds memory. */
interface Holder {
  readonly total: number;
}

/**
 * What the runs in a node's memory may hold together. Up to a half of it, runs are begun and claimed; above three quarters, those that hold most
 * leave memory between two steps, to be claimed again; the rest is for the results of executors at work. One run may always go on: the one that
 * is larger than a half by itself, else the one that has been here longest. So the most that is held is the budget and what one run holds.
 */
export class MemoryBudget {
  readonly #bytesMax: number;
  /** In the order in which they came. */
  readonly #holders = new Set<Holder>();
  /** Of those, who are about to leave. */
  readonly #going = new Set<Holder>();
  #held = 0;
  #large: Holder | undefined;

  /** @param bytesMax What is held at most; by default a part of what V8 may take. */
  constructor(bytesMax = Math.max(getHeapStatistics().heap_size_limit * limits.heldHeapShare, limits.heldBytesMin)) {
    this.#bytesMax = bytesMax;
  }

  /** About the bytes that all runs in memory hold. */
  get heldBytes(): number {
    return this.#held;
  }

  enter(holder: Holder): void {
    if (holder.total > this.#bytesMax / 2) this.#large ??= holder;
    this.#holders.add(holder);
    this.change(holder.total);
  }

  /** Somebody who has entered, and not left, holds so much more. */
  change(bytes: number): void {
    this.#held += bytes;
  }

  /** Leaves as soon as what it has handed over is durable. */
  go(holder: Holder): void {
    this.#going.add(holder);
  }

  leave(holder: Holder): void {
    if (this.#holders.delete(holder)) this.change(-holder.total);
    this.#going.delete(holder);
    if (this.#large === holder) this.#large = undefined;
  }

  /** Bytes of further runs that may be taken up; none where it is not positive. */
  room(): number {
    return this.#bytesMax / 2 - this.#held;
  }

  /** Whether a run may be taken up that is larger than the room: one at a time, and only beside little else. */
  hasRoomForLarge(): boolean {
    return this.#large === undefined && this.#held <= this.#bytesMax / 4;
  }

  /**
   * Whether this run is to leave before its next step.
   * @param isFresh It was claimed, and has done nothing yet: it only leaves where all of the budget is used up.
   */
  isToLeave(holder: Holder, isFresh: boolean): boolean {
    if (this.#held <= (isFresh ? this.#bytesMax : 0.75 * this.#bytesMax)) return false;
    const [oldest] = this.#holders;
    return holder !== (this.#large ?? oldest) && holder.total * this.#holders.size >= this.#held;
  }

  /**
   * Whether there is room for one more result, beside those of so many executors at work. Always for the first, save while there is room to come
   * by itself.
   */
  hasRoomForResult(atWork: number): boolean {
    if (this.#held + (atWork + 1) * limits.outputBytesMax <= this.#bytesMax) return true;
    return atWork === 0 && this.#going.size === 0;
  }
}
