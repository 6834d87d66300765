import { setTimeout as sleep } from "node:timers/promises";
import type { Say } from "./agent-log.ts";
import { backoffMs } from "./backoff.ts";
import { bounds } from "./bounds.ts";
import { ConnectionLost, type Data, type Operation, openSession, ServerError, type Session } from "./session.ts";

/** The agent's way to the server: one connection at a time, opened again and again until the link is closed. */
export interface Link {
  /**
   * Sends until there is an answer, over as many connections as that takes; so only what may be sent twice.
   * @throws RequestRefused when the server does not take it; the signal's reason when that is aborted, or the link is closed.
   */
  request(operation: Operation, signal: AbortSignal): Promise<Data>;
  /** Resolves when the link is closed. @throws NotAdmitted when the server does not accept the credential (any more). */
  readonly closed: Promise<void>;
  close(): void;
}

/** The credential is not valid: never was, or was revoked. */
export class NotAdmitted extends Error {}

/** The server will not take this request, however often it is sent. */
export class RequestRefused extends Error {}

export interface LinkOptions {
  readonly server: string;
  readonly token: string;
  readonly say: Say;
  /** What every connection subscribes to. */
  readonly subscription: Operation;
  onData(data: Data): void;
}

/**
 * Codes of errors in the request itself, and of one whose tenant is disabled: its run has ended, and so is what it asked for. Anything else may be
 * better the next time.
 */
const finalCodes = new Set([
  ...["BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "FORBIDDEN"],
  "TENANT_DISABLED",
]);
/** Close codes of a connection over a message that the server would not read: graphql-ws's "bad request", and ws's "message too big". */
const refusalCloseCodes = new Set([4400, 1009]);

export function openLink(options: LinkOptions): Link {
  const closing = new AbortController();
  const waiting = new Set<() => void>();
  let live: Session | undefined;

  function enter(session: Session | undefined): void {
    live = session;
    if (session) wakeAll();
  }

  function wakeAll(): void {
    for (const wake of [...waiting]) wake();
  }
  // Not AbortSignal.any: it would keep every request of the agent's life with the one that lasts.
  closing.signal.addEventListener("abort", wakeAll);

  async function liveSession(signal: AbortSignal): Promise<Session> {
    for (;;) {
      closing.signal.throwIfAborted();
      signal.throwIfAborted();
      if (live) return live;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener("abort", wake);
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
  }

  return {
    async request(operation, signal) {
      let refusals = 0;
      for (let tries = 1; ; tries++) {
        const session = await liveSession(signal);
        try {
          return await session.request(operation);
        } catch (error) {
          if (error instanceof ServerError && finalCodes.has(error.code)) throw new RequestRefused(error.message);
          if (error instanceof ConnectionLost && refusalCloseCodes.has(error.code ?? 0)) refusals += 1;
          if (refusals >= bounds.refusedSendsMax) throw new RequestRefused("The server closes the connection over it.");
          // A connection that is gone is not live any more: the next one is waited for anyway.
          if (live === session) await sleep(backoffMs(tries), undefined, { signal });
        }
      }
    },
    closed: keepConnected(options, enter, closing.signal),
    close: () => closing.abort(new Error("The connection is closed.")),
  };
}

function reasonOf(error: ConnectionLost | ServerError): string {
  const text = error.message.replace(/\.$/, "");
  const isStrange = error instanceof ServerError && error.code === "GRAPHQL_VALIDATION_FAILED";
  return isStrange ? `${text}. This agent is of another version than the server: fetch its file again` : text;
}

const endedStream = "the server ended the stream of tasks, as it does when the same agent connects from elsewhere";

async function keepConnected(
  { say, ...options }: LinkOptions,
  enter: (session: Session | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  let tries = 0;
  let refusals = 0;
  while (!signal.aborted) {
    const began = performance.now();
    const error = await serve(
      options,
      (session) => {
        if (session) say(`Connected to ${options.server}.`);
        enter(session);
      },
      signal,
    );
    if (signal.aborted) return;
    const isRefused = error instanceof ServerError && /^(UNAUTHENTICATED|FORBIDDEN)$/.test(error.code);
    refusals = isRefused ? refusals + 1 : 0;
    if (refusals >= bounds.refusedConnectionsMax) throw new NotAdmitted(error?.message);
    tries = performance.now() - began >= bounds.connectionGoodMs ? 1 : tries + 1;
    const waitMs = backoffMs(tries);
    const why = error ? reasonOf(error) : endedStream;
    say(`No connection to ${options.server}: ${why}. Trying again in ${(waitMs / 1_000).toFixed(1)} s.`);
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
}

/** One connection, for as long as it lasts. @returns Why it ended; undefined where the server completed the stream. */
async function serve(
  { server, token, subscription, onData }: Omit<LinkOptions, "say">,
  enter: (session: Session | undefined) => void,
  signal: AbortSignal,
): Promise<ConnectionLost | ServerError | undefined> {
  const session = openSession(server, token);
  const close = (): void => session.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    await session.opened;
    enter(session);
    await session.subscribe(subscription, onData);
    return undefined;
  } catch (error) {
    if (error instanceof ConnectionLost || error instanceof ServerError) return error;
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
    enter(undefined);
    session.close();
  }
}
