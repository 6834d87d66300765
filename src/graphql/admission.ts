import type { IncomingMessage } from "node:http";
import type { GraphQLError } from "graphql";
import { createAddressOf } from "./client-address.ts";
import { requestError } from "./errors.ts";
import type { Caller } from "./pipeline.ts";
import type { Refusal } from "./refusal.ts";

/** Whether a caller at an address may begin one more operation: 0, or how long it has to wait, in ms. Counts what it lets begin. */
export type Admit = (caller: Caller & { readonly address: string }) => Promise<number>;

/** Asks about the caller of a request; whoever it says it is, where it does not say it by its header. */
export type Gate = (request: IncomingMessage, authorization?: string | undefined) => Promise<number>;

/** @param proxies See `createAddressOf`. Without `admit` nobody waits. */
export function createGate(admit: Admit | undefined, proxies: readonly string[] = []): Gate {
  const addressOf = createAddressOf(proxies);
  return async (request, authorization = request.headers.authorization) =>
    admit ? admit({ authorization, address: addressOf(request) }) : 0;
}

function messageOf(waitMs: number): string {
  return `Too many requests; try again in ${secondsOf(waitMs)} s.`;
}

function secondsOf(waitMs: number): number {
  return Math.ceil(waitMs / 1_000);
}

/** By HTTP: 429, with the time also as `Retry-After`, which is in whole seconds. */
export function rateRefusal(waitMs: number): Refusal {
  return {
    status: 429,
    code: "RATE_LIMITED",
    message: messageOf(waitMs),
    headers: { "retry-after": String(secondsOf(waitMs)) },
    details: { retryAfterMs: waitMs },
  };
}

/** Of one operation on a socket, which goes on. */
export function rateError(waitMs: number): GraphQLError {
  return requestError("RATE_LIMITED", messageOf(waitMs), { retryAfterMs: waitMs });
}
