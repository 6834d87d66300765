import { limits } from "../core/limits.ts";

/**
 * The time of the cluster: the database's clock, as its answers to the heartbeats tell it. In between it goes on by the monotonic clock, so
 * that a jump of this machine's clock moves no delay, timeout or deadline, and nodes whose clocks differ agree on when a run is to wake.
 */
export class ClusterClock {
  /** What the monotonic clock lacks. */
  #baseMs = Date.now() - performance.now();

  /** Milliseconds since 1970. */
  now(): number {
    return Math.round(this.#baseMs + performance.now());
  }

  /**
   * The database said what time it is.
   * @param sentAt The monotonic clock when it was asked, and `answeredAt` when the answer was here: milliseconds.
   * @returns By how much this clock was moved: 0 where it was right within what the answer's way takes.
   */
  hear(databaseMs: number, sentAt: number, answeredAt: number): number {
    const baseMs = databaseMs - (sentAt + answeredAt) / 2;
    const movedMs = baseMs - this.#baseMs;
    if (Math.abs(movedMs) <= limits.clockToleranceMs + (answeredAt - sentAt) / 2) return 0;
    this.#baseMs = baseMs;
    return movedMs;
  }
}
