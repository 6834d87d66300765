import { bounds } from "./bounds.ts";

/**
 * How long to wait before try number `tries`, from 1: doubled each time up to a bound, of which half is left to chance, so that the agents of
 * a server that comes back do not come at the same moment.
 * @param chance From 0 to 1.
 */
export function backoffMs(tries: number, chance: number = Math.random()): number {
  const whole = Math.min(bounds.reconnectMsMax, bounds.reconnectMsMin * 2 ** (tries - 1));
  return whole / 2 + (whole / 2) * chance;
}
