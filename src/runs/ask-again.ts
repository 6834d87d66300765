import { limits } from "../core/limits.ts";

interface AskAgainPorts<T> {
  readonly ask: () => T | Promise<T>;
  /** False once nobody waits for the answer any more. */
  readonly isWanted: () => boolean;
  readonly onFailed: (reason: unknown) => void;
}

/**
 * The answer, without a promise where there is none to wait for. What `ask` throws is a database that is away, since refusals are
 * outcomes: it is asked again and again. Never rejects.
 * @returns undefined when the answer is not wanted any more.
 */
export function askAgain<T>(ports: AskAgainPorts<T>): T | Promise<T | undefined> {
  try {
    const answer = ports.ask();
    return answer instanceof Promise ? answer.catch((error) => askOn(ports, error)) : answer;
  } catch (error) {
    return askOn(ports, error);
  }
}

async function askOn<T>({ ask, isWanted, onFailed }: AskAgainPorts<T>, error: unknown): Promise<T | undefined> {
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
