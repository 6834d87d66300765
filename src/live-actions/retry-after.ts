import { limits } from "../core/limits.ts";

interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Headers of vendors that do not send Retry-After: the second of the epoch from which on they listen again.
 * @see Okta, developer.okta.com "Rate limit best practices": `X-Rate-Limit-Reset`; CrowdStrike's psfalcon client: `X-Ratelimit-RetryAfter`. 2026-11.
 */
const resetHeaders = ["x-rate-limit-reset", "x-ratelimit-retryafter"];

/**
 * How long to wait before a refused request is sent again, in milliseconds; undefined where it should not be: only for 429, and for 503 that
 * says when (RFC 9110, section 10.2.3). Both say that the request was not carried out, so sending again does nothing twice.
 * @param resends How often it was sent again before.
 * @param nowMs Milliseconds of the epoch, for answers without a date of their own.
 */
export function waitBeforeResend({ status, headers }: Refusal, resends: number, nowMs: number): number | undefined {
  const saidMs = retryAfterMs(headers, nowMs);
  if (status === 503) return saidMs;
  if (status !== 429) return undefined;
  return saidMs ?? resetMs(headers, nowMs) ?? limits.vendorRetryMs * 2 ** resends;
}

/** Retry-After as seconds or as an HTTP date; undefined where it is missing or neither. */
function retryAfterMs(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const atMs = dateMs(text);
  return atMs === undefined ? undefined : Math.max(0, atMs - sentMs(headers, nowMs));
}

function resetMs(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  for (const name of resetHeaders) {
    const text = headers[name]?.trim();
    if (text !== undefined && /^\d+$/.test(text)) return Math.max(0, Number(text) * 1000 - sentMs(headers, nowMs));
  }
  return undefined;
}

/** When the vendor answered, by its own clock where it tells: ours may differ. */
function sentMs(headers: Readonly<Record<string, string>>, nowMs: number): number {
  return dateMs(headers["date"] ?? "") ?? nowMs;
}

/** An HTTP date (RFC 9110, section 5.6.7); its obsolete forms too. `Date.parse` alone takes nearly anything for a date. */
function dateMs(text: string): number | undefined {
  const ms = /^[A-Z][a-z]{2,8},? [\w :-]+$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
