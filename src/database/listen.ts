import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Log } from "../core/log.ts";
import { clientConfig, type DatabaseAddress } from "./address.ts";

export interface ListenOptions {
  readonly address: DatabaseAddress;
  readonly channels: readonly string[];
  readonly log: Log;
  onNotify(channel: string, payload: string): void;
  /** Called each time listening begins again: what was notified in between is lost, so look for yourself. */
  onReconnect(): void;
}

export interface Listener {
  stop(): Promise<void>;
}

/** From the first to the longest wait between two tries to connect again. */
const backoff = { firstMs: 50, longestMs: 5_000 };

/**
 * Listens on one connection of its own, which reconnects by itself. Notifications are hints: they may be lost, so who
 * listens looks at the rows too.
 * @throws when the first connection can't be made.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const stopping = new AbortController();
  let session = await connect(options);
  const keep = async () => {
    while (!stopping.signal.aborted) {
      await session.ended;
      if (stopping.signal.aborted) return;
      const next = await reconnect(options, stopping.signal);
      if (!next) return;
      session = next;
      options.onReconnect();
    }
  };
  const kept = keep();
  return {
    async stop() {
      stopping.abort();
      await session.client.end().catch(() => undefined);
      await kept;
    },
  };
}

interface Session {
  readonly client: pg.Client;
  readonly ended: Promise<void>;
}

async function connect({ address, channels, onNotify }: ListenOptions): Promise<Session> {
  const client = new pg.Client({ ...clientConfig(address), keepAlive: true });
  // Without a handler, a connection that breaks would end the process; `ended` tells of it.
  client.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => client.once("end", () => resolve()));
  client.on("notification", ({ channel, payload }) => onNotify(channel, payload ?? ""));
  try {
    await client.connect();
    for (const channel of channels) await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    return { client, ended };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

async function reconnect(options: ListenOptions, signal: AbortSignal): Promise<Session | undefined> {
  options.log.warn({ channels: options.channels }, "listen.lost");
  for (let waitMs = backoff.firstMs; !signal.aborted; waitMs = Math.min(waitMs * 2, backoff.longestMs)) {
    const session = await connect(options).catch(() => undefined);
    if (session && signal.aborted) await session.client.end().catch(() => undefined);
    else if (session) {
      options.log.info({ channels: options.channels }, "listen.restored");
      return session;
    }
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}
