import { STATUS_CODES } from "node:http";
import type { Client } from "undici";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { limits } from "../core/limits.ts";
import { errorIn } from "../scripts/output.ts";
import { createMask, type Mask } from "../secrets/mask.ts";
import { openClient } from "./connect.ts";
import type { EgressPolicy } from "./egress.ts";
import { exchangeErrorOf } from "./exchange-error.ts";
import type { Attempt, Execute, ExecutionError, Outcome, RemoteCall } from "./executor.ts";
import { readOutputInTurn } from "./output.ts";
import { buildRequest, type RemoteRequest, readUrl } from "./remote-request.ts";
import { readBody } from "./remote-response.ts";

/**
 * The executor of remote actions: one HTTP request, over a connection of its own, to where the egress policy lets it.
 * Codes of its failures: `http_<status>` (or the code that the answer states), `egress_refused`, `invalid_url`, `invalid_header`,
 * `connection_refused`, `dns_failure`, `connection_failed`, `redirect_refused`, `response_too_large`,
 * `response_headers_too_large`, `unsupported_encoding`, `invalid_response`.
 */
export function createRemoteExecutor({ egress }: { readonly egress: EgressPolicy }): Execute<RemoteCall> {
  return async (attempt) => {
    if (attempt.signal.aborted) return { status: "CANCELLED" };
    const mask = createMask(attempt.secrets);
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), attempt.timeoutMs);
    const signal = AbortSignal.any([attempt.signal, timeout.signal]);
    try {
      return await send({ attempt, egress, mask, signal });
    } catch (error) {
      if (attempt.signal.aborted) return { status: "CANCELLED" };
      if (timeout.signal.aborted) return { status: "TIMED_OUT", error: timedOut(attempt.timeoutMs) };
      const { code, message } = exchangeErrorOf(error);
      return { status: "FAILED", error: { code, message: mask.text(message).slice(0, limits.textLengthMax) } };
    } finally {
      clearTimeout(timer);
    }
  };
}

interface Sending {
  readonly attempt: Attempt<RemoteCall>;
  readonly egress: EgressPolicy;
  readonly mask: Mask;
  readonly signal: AbortSignal;
}

/** What came back of one request. */
interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
}

async function send({ attempt, egress, mask, signal }: Sending): Promise<Outcome> {
  let request = buildRequest(attempt);
  const client = await openClient(request.url.origin, { egress, signal });
  const log = (text: string): void => attempt.onLog("SYSTEM", mask.text(text));
  try {
    for (let redirects = 0; ; redirects++) {
      const startedAt = performance.now();
      log(`Sending ${request.method} ${request.url.origin}${request.url.pathname}`);
      const answer = await exchange(client, request, signal);
      const elapsedMs = Math.round(performance.now() - startedAt);
      log(`Answered ${answer.status} after ${elapsedMs} ms with ${answer.text.length} characters`);
      if (!isRedirect(answer)) return await outcomeOf(answer, mask);
      if (redirects >= limits.redirectsMax) {
        throw new AttemptRefused("redirect_refused", `The server redirected more than ${limits.redirectsMax} times.`);
      }
      request = redirected(request, answer);
    }
  } finally {
    await client.destroy();
  }
}

async function exchange(client: Client, request: RemoteRequest, signal: AbortSignal): Promise<Answer> {
  const response = await client.request({
    method: request.method,
    path: `${request.url.pathname}${request.url.search}`,
    headers: request.headers,
    body: request.body ?? null,
    signal,
  });
  const location = response.headers["location"];
  return {
    status: response.statusCode,
    location: Array.isArray(location) ? location[0] : location,
    text: await readBody(response),
  };
}

/** Masked before the error is read from it, since what is cut there could be half a secret. */
async function outcomeOf({ status, text }: Answer, mask: Mask): Promise<Outcome> {
  const output = mask.json(await readOutputInTurn(text));
  if (status < 400) return { status: "SUCCEEDED", output };
  const reason = STATUS_CODES[status];
  const message = `The server answered ${status}${reason ? ` (${reason})` : ""}.`;
  return { status: "FAILED", error: errorIn(output, { code: `http_${status}`, message }), output };
}

function isRedirect({ status }: Answer): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** The request that a redirect asks for, as the Fetch standard has it (HTTP-redirect fetch), but never to another origin. */
function redirected(request: RemoteRequest, { status, location }: Answer): RemoteRequest {
  if (location === undefined)
    throw new AttemptRefused("redirect_refused", `The server answered ${status} without a location.`);
  let url: URL;
  try {
    url = readUrl(location, request.url);
  } catch {
    throw new AttemptRefused("redirect_refused", "The server redirected to what is no plain http or https URL.");
  }
  if (url.origin !== request.url.origin) {
    throw new AttemptRefused("redirect_refused", "The server redirected to another origin, which is never followed.");
  }
  const becomesGet = status === 303 || ((status === 301 || status === 302) && request.method === "POST");
  if (!becomesGet) return { ...request, url };
  const { "content-type": _ofBody, ...headers } = request.headers;
  return { method: "GET", url, headers };
}

function timedOut(timeoutMs: number): ExecutionError {
  return { code: "timed_out", message: `The server had not answered in full after ${timeoutMs} ms.` };
}
