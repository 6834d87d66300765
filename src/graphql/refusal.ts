import type { IncomingMessage, ServerResponse } from "node:http";
import { limits } from "../core/limits.ts";

/** What an HTTP request is told that never becomes an operation. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What stands beside the code. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Answers in the form of a GraphQL error, which every client of ours can read. */
export function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  sendJson(
    response,
    refusal.status,
    { errors: [{ message: refusal.message, extensions: { code: refusal.code, ...refusal.details } }] },
    refusal.headers,
  );
  discardRest(request);
}

/** Throws the rest of the body away, so that the client can read the answer; who goes on sending is cut off. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  request.resume();
  const timer = setTimeout(() => request.destroy(), limits.requestLingerMs);
  request.once("close", () => clearTimeout(timer));
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    ...headers,
  });
  response.end(text);
}
