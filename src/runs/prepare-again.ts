import { limits } from "../core/limits.ts";
import type { PreparedStep } from "./perform-step.ts";

interface PrepareAgainPorts {
  readonly ask: () => PreparedStep | Promise<PreparedStep>;
  /** False once nobody waits for the answer any more. */
  readonly isWanted: () => boolean;
  readonly onFailed: (reason: unknown) => void;
}

/**
 * The prepared step, without a promise where there is none to wait for. What `ask` throws is a database that is away, since refusals are
 * outcomes: it is asked again and again. Never rejects.
 * @returns undefined when the answer is not wanted any more.
 */
export function prepareAgain(ports: PrepareAgainPorts): PreparedStep | Promise<PreparedStep | undefined> {
  try {
    const prepared = ports.ask();
    return prepared instanceof Promise ? prepared.catch((error) => askOn(ports, error)) : prepared;
  } catch (error) {
    return askOn(ports, error);
  }
}

async function askOn(
  { ask, isWanted, onFailed }: PrepareAgainPorts,
  error: unknown,
): Promise<PreparedStep | undefined> {
  for (let reason = error; ; ) {
    onFailed(reason);
    await new Promise((resolve) => setTimeout(resolve, limits.prepareRetryMs));
    if (!isWanted()) return undefined;
    try {
      return await ask();
    } catch (next) {
      reason = next;
    }
  }
}
