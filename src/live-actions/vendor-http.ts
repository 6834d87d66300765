import { STATUS_CODES } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { canonicalJson, type Json, sha256 } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import { type EgressPolicy, EgressRefused } from "../executors/egress.ts";
import { exchangeErrorOf } from "../executors/exchange-error.ts";
import { createMask, type Mask } from "../secrets/mask.ts";
import { maskedLiterals } from "../secrets/mask-forms.ts";
import { waitBeforeResend } from "./retry-after.ts";
import type { TokenCache } from "./token-cache.ts";
import { type ExchangeRequest, exchange } from "./vendor-exchange.ts";
import { vendorMessage } from "./vendor-message.ts";

/** One HTTP request to a vendor. */
export interface VendorRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute. Whoever builds it has escaped what came from users. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** At most one of them. */
  readonly json?: Json;
  readonly form?: Readonly<Record<string, string>>;
  /** Sent byte for byte, with the content type of `headers`: for bodies that are signed. */
  readonly text?: string;
  /** Only where a tenant says that its own server has a certificate of its own. */
  readonly allowsUntrustedCertificate?: boolean;
}

export interface VendorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The body read as JSON; undefined where it is empty or no JSON. */
  readonly body: Json | undefined;
  readonly text: string;
}

/** The vendor answered, and refused (4xx, 5xx), or answered what does not do. */
export class VendorError extends Error {
  override readonly name = "VendorError";
  readonly status: number | undefined;
  readonly body: Json | undefined;
  constructor(message: string, status?: number, body?: Json) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** The vendor could not be asked, or nobody knows its answer. `code`: `connection_refused`, `dns_failure`, `connection_failed`, `invalid_answer`, `invalid_url`, `invalid_header`. */
export class VendorUnreachable extends Error {
  override readonly name = "VendorUnreachable";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What adapters speak to their vendors with, made for one dispatch: of one tenant, bounded by its signal, through the egress policy. */
export interface VendorHttp {
  /**
   * Sends, and answers whatever the vendor answered. 429, and 503 with Retry-After, are waited for and sent again, within
   * `limits.vendorResendsMax` and `limits.vendorWaitMsMax`. Redirects are followed within the origin only.
   * @throws EgressRefused, the signal's reason, VendorUnreachable, also where the answer can't be read; VendorError where it redirects elsewhere.
   */
  send(request: VendorRequest): Promise<VendorAnswer>;
  /**
   * The same for where only success will do.
   * @throws VendorError for a status of 300 and more; for a page of HTML, and for what says it is JSON and is none.
   */
  call(request: VendorRequest): Promise<VendorAnswer>;
  /**
   * The same with a bearer token that is kept until shortly before it expires. A 401 drops the token and asks for a fresh one, once.
   * @param key Names the token among this vendor's, e.g. its client id: never another's token is handed out, nor another tenant's.
   */
  callWithToken(
    key: string,
    fetchToken: () => Promise<{ readonly token: string; readonly expiresInMs: number }>,
    request: (token: string) => VendorRequest,
  ): Promise<VendorAnswer>;
  /** The beginning of a text that came from the vendor, for details. Masked before it is cut: half a secret could be told no more. */
  excerpt(text: string, lengthMax: number): string;
  /** For APIs that are waited for. @throws The signal's reason. */
  sleep(ms: number): Promise<void>;
}

export interface VendorHttpOptions {
  readonly egress: EgressPolicy;
  /** Ends whatever is under way. */
  readonly signal: AbortSignal;
  readonly tenantId: string;
  readonly vendorId: string;
  readonly tokens: TokenCache;
  /** All that the adapter was given, addresses too: a token that was got with other ones is never handed out. Only their hash is kept. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Takes the credentials out of what a VendorError says, and out of excerpts. */
  readonly mask?: Mask;
}

/** The HTTP client of one dispatch. It logs nothing, and what it throws holds neither a token nor a header that was sent. */
export function createVendorHttp(options: VendorHttpOptions): VendorHttp {
  const { signal, tokens } = options;
  const send = (request: VendorRequest): Promise<VendorAnswer> => sendPatiently(request, options);
  const call = async (request: VendorRequest): Promise<VendorAnswer> => successOf(await send(request), options.mask);

  const callWithToken: VendorHttp["callWithToken"] = async (name, fetch, request) => {
    const key = sha256(canonicalJson([options.tenantId, options.vendorId, name, options.credentials]));
    const token = await tokens.get({ key, fetch, signal });
    const answer = await send(request(token));
    if (answer.status !== 401) return successOf(answer, options.mask);
    tokens.drop(key, token);
    return call(request(await tokens.get({ key, fetch, signal })));
  };

  const excerpt = (text: string, lengthMax: number): string =>
    (options.mask?.text(text) ?? text).slice(0, lengthMax).toWellFormed();
  return { send, call, callWithToken, excerpt, sleep: (ms) => sleep(ms, signal) };
}

async function sendPatiently(request: VendorRequest, options: VendorHttpOptions): Promise<VendorAnswer> {
  const prepared = prepare(request);
  let waitedMs = 0;
  for (let resends = 0; ; resends++) {
    const answer = await sendOnce(prepared, options);
    const waitMs = waitBeforeResend(answer, resends, Date.now());
    if (waitMs === undefined || resends >= limits.vendorResendsMax) return answer;
    if (waitedMs + waitMs > limits.vendorWaitMsMax) return answer;
    waitedMs += waitMs;
    await sleep(waitMs, options.signal);
  }
}

async function sendOnce(request: ExchangeRequest, { egress, signal }: VendorHttpOptions): Promise<VendorAnswer> {
  try {
    const { status, headers, text } = await exchange(request, { egress, signal });
    return withoutEcho(request, { status, headers, text, body: readJson(text) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof EgressRefused) throw error;
    const { code, message } = exchangeErrorOf(error);
    if (code === "redirect_refused") throw new VendorError(message);
    if (!unreadable.has(code)) throw new VendorUnreachable(code, message);
    throw new VendorUnreachable("invalid_answer", `${message} Whether it took effect is unknown: look at the vendor.`);
  }
}

/** Codes of what was answered, but is not to be read: the vendor may have done what it was asked. */
const unreadable: ReadonlySet<string> = new Set([
  ...["response_too_large", "response_headers_too_large", "unsupported_encoding", "invalid_response"],
]);

function prepare({ method, url, headers, json, form, text, ...tls }: VendorRequest): ExchangeRequest {
  const type = json !== undefined ? "application/json" : form && "application/x-www-form-urlencoded";
  const body = json !== undefined ? JSON.stringify(json) : form ? new URLSearchParams(form).toString() : text;
  return {
    method,
    url,
    headers: {
      accept: "application/json",
      "accept-encoding": "identity",
      "user-agent": "riposte",
      ...(type && { "content-type": type }),
      ...lowered(headers),
    },
    body,
    ...tls,
  };
}

function lowered(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Headers whose values are secrets. */
const secretHeaders = ["authorization", "cookie", "x-amz-security-token"];

/** The answer without what was sent to sign in, where the vendor repeats it in whichever form: adapters show parts of answers. */
function withoutEcho({ headers }: ExchangeRequest, answer: VendorAnswer): VendorAnswer {
  const sent = secretHeaders.flatMap((name) => headers[name]?.replace(/^\S+ +(?=\S)/, "") ?? []);
  const secrets = sent.filter((value) => isRepeated(answer.text, value));
  if (secrets.length === 0) return answer;
  const mask = createMask(secrets);
  return {
    ...answer,
    text: mask.text(answer.text),
    body: answer.body === undefined ? undefined : mask.json(answer.body),
  };
}

/** By the forms of its beginning, which each form of the whole holds: a mask of a long token takes milliseconds to make. */
function isRepeated(text: string, value: string): boolean {
  // The encoded forms of a short one are so short that they stand in any text.
  if (value.length < limits.maskedLineLengthMin) return text.includes(value);
  return maskedLiterals([value.slice(0, 24)]).some((form) => text.includes(form));
}

/** Masked before the words are taken from it, since what is cut there could be half a secret. */
function successOf(answer: VendorAnswer, mask: Mask | undefined): VendorAnswer {
  if (problemOf(answer) === undefined) return answer;
  const body = answer.body !== undefined && mask ? mask.json(answer.body) : answer.body;
  throw new VendorError(problemOf({ ...answer, body }) ?? "", answer.status, body);
}

function problemOf({ status, headers, body, text }: VendorAnswer): string | undefined {
  if (status >= 300) {
    const reason = STATUS_CODES[status];
    const said = vendorMessage(body);
    return `The vendor answered ${status}${reason ? ` (${reason})` : ""}${said ? `: ${said}` : "."}`;
  }
  if (body !== undefined || text.trim() === "") return undefined;
  const type = headers["content-type"] ?? "";
  if (/\bhtml\b/i.test(type)) return `The vendor answered ${status} with a web page. Check the configured address.`;
  return /\bjson\b/i.test(type) ? `The vendor answered ${status} with JSON that can't be read.` : undefined;
}

function readJson(text: string): Json | undefined {
  let parsed: Json;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  // What is deeper than any document overflows the stack of whoever writes it out again.
  return isNestedDeeper(parsed, limits.documentDepthMax) ? undefined : parsed;
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
