import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { ExecutionResult } from "graphql";
import { limits } from "../core/limits.ts";
import { sendable } from "./errors.ts";

/**
 * Sends results as server-sent events, in the "distinct connections" form of graphql-sse: `next` events with the result,
 * then `complete`. Where the one root field of a result has a `cursor`, the event's id is that cursor, so that a client
 * that reconnects says by `Last-Event-ID` where it was. The next result is asked for when the client has taken the last.
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode
 */
export async function sendEventStream(
  response: ServerResponse,
  result: ExecutionResult | AsyncIterableIterator<ExecutionResult>,
): Promise<void> {
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    // nginx would hold events back until its buffer is full.
    "x-accel-buffering": "no",
  });
  response.write(":\n\n");
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(":\n\n");
  }, limits.streamHeartbeatMs);
  const results = isStream(result) ? result : single(result);
  const onClose = () => void results.return?.(undefined)?.catch(() => undefined);
  response.once("close", onClose);
  try {
    for (let next = await results.next(); !next.done && !response.closed; next = await results.next()) {
      await write(response, eventText(next.value));
    }
    if (!response.closed) response.end("event: complete\ndata:\n\n");
  } finally {
    clearInterval(heartbeat);
    response.off("close", onClose);
  }
}

export function isStream(
  result: ExecutionResult | AsyncIterableIterator<ExecutionResult>,
): result is AsyncIterableIterator<ExecutionResult> {
  return Symbol.asyncIterator in result;
}

async function* single(result: ExecutionResult): AsyncGenerator<ExecutionResult, void, undefined> {
  yield result;
}

async function write(response: ServerResponse, text: string): Promise<void> {
  if (response.write(text) || response.closed) return;
  const waiting = new AbortController();
  const { signal } = waiting;
  await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]).catch(() => undefined);
  waiting.abort();
}

function eventText(result: ExecutionResult): string {
  const cursor = cursorOf(result);
  return `${cursor === undefined ? "" : `id: ${cursor}\n`}event: next\ndata: ${JSON.stringify(sendable(result))}\n\n`;
}

function cursorOf({ data }: ExecutionResult): string | undefined {
  const fields = Object.values(data ?? {});
  const [field] = fields;
  if (fields.length !== 1 || typeof field !== "object" || field === null || !("cursor" in field)) return undefined;
  // A line break in it would forge a field of the stream.
  return typeof field.cursor === "string" && /^[\x21-\x7e]+$/.test(field.cursor) ? field.cursor : undefined;
}
