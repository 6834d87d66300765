import { AttemptRefused } from "../core/attempt-refused.ts";
import { limits } from "../core/limits.ts";
import { openClient } from "../executors/connect.ts";
import type { EgressPolicy } from "../executors/egress.ts";
import { readHeaders, readUrl } from "../executors/remote-request.ts";
import { readBody } from "../executors/remote-response.ts";

/** One request as it goes out, with a body that is text already. */
export interface ExchangeRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly allowsUntrustedCertificate?: boolean | undefined;
}

export interface ExchangeAnswer {
  readonly status: number;
  /** Names in lower case; what came several times is joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Way {
  readonly egress: EgressPolicy;
  readonly signal: AbortSignal;
}

/**
 * Sends one request over a connection of its own: a kept one may be dead when the next request needs it, and a request that has gone out on
 * a dead connection can't be sent again without doing it twice. Redirects are followed within the origin, where they keep the method.
 * @throws AttemptRefused, EgressRefused, the signal's reason, or an error of the connection.
 */
export async function exchange(request: ExchangeRequest, { egress, signal }: Way): Promise<ExchangeAnswer> {
  signal.throwIfAborted();
  let url = readUrl(request.url.href);
  const headers = readHeaders(request.headers);
  const { allowsUntrustedCertificate } = request;
  const client = await openClient(url.origin, { egress, signal, allowsUntrustedCertificate });
  try {
    for (let redirects = 0; ; redirects++) {
      const path = `${url.pathname}${url.search}`;
      const sent = { method: request.method, path, headers, body: request.body ?? null, signal };
      const response = await client.request(sent);
      const answer = {
        status: response.statusCode,
        headers: joined(response.headers),
        text: await readBody(response),
      };
      if (!isRedirect(answer.status)) return answer;
      if (redirects >= limits.redirectsMax) {
        throw new AttemptRefused("redirect_refused", `The server redirected more than ${limits.redirectsMax} times.`);
      }
      url = redirected(request.method, url, answer);
    }
  } finally {
    await client.destroy();
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * Where a redirect leads. One that would turn a POST into a GET is refused: what it leads to (a sign-in page, mostly) would answer success
 * for something that was not done.
 */
function redirected(method: string, from: URL, { status, headers }: ExchangeAnswer): URL {
  const location = headers["location"];
  const to = location === undefined ? null : URL.parse(location, from.href);
  if (!to) throw new AttemptRefused("redirect_refused", `The server answered ${status} without a location to follow.`);
  if (to.origin !== from.origin) {
    throw new AttemptRefused(
      "redirect_refused",
      "The server redirected to another origin, which is never followed. Check the configured address.",
    );
  }
  if (method !== "GET" && status !== 307 && status !== 308) {
    throw new AttemptRefused(
      "redirect_refused",
      `The server answered ${method} with a redirect (${status}), so it did nothing.`,
    );
  }
  return readUrl(to.href);
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    Array.isArray(value) ? value.join(", ") : (value ?? ""),
  ]);
  return Object.fromEntries(entries);
}
