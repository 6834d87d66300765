/** Where the product reads the time, so that tests can move it. Durations inside one process use `performance.now()` instead. */
export interface Clock {
  /** The present instant, UTC. */
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
