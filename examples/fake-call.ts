import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";

/** A request to one of the fake services. */
export interface Call {
  /** `POST /slack/api/chat.postMessage` */
  readonly route: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** What was sent as JSON; empty where nothing or something else was sent. */
  readonly body: Readonly<Record<string, unknown>>;
  /** `http://127.0.0.1:<port>`: where the services are, for links. */
  readonly origin: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export async function readCall(request: IncomingMessage): Promise<Call> {
  const origin = `http://${request.headers.host}`;
  const { pathname, searchParams } = new URL(request.url ?? "/", origin);
  const body: unknown = await json(request).catch(() => null);
  const isObject = typeof body === "object" && body !== null && !Array.isArray(body);
  return {
    route: `${request.method} ${pathname}`,
    query: searchParams,
    headers: request.headers,
    body: isObject ? (body as Record<string, unknown>) : {},
    origin,
  };
}
