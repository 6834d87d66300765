import { AttemptRefused } from "../core/attempt-refused.ts";
import type { Json } from "../core/json.ts";
import type { Attempt, RemoteCall } from "./executor.ts";

/** A request as it goes out. */
export interface RemoteRequest {
  readonly method: RemoteCall["method"];
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** What frames a message or names its receiver is ours to say: with these a request could be smuggled in or sent to another host. */
const refusedHeaders = new Set([
  ...["host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"],
  ...["proxy-connection", "proxy-authorization", "http2-settings"],
]);

/**
 * The request of a call, with the headers that every attempt gets.
 * @throws AttemptRefused `invalid_url` or `invalid_header`.
 */
export function buildRequest({
  call,
  idempotencyKey,
}: Pick<Attempt<RemoteCall>, "call" | "idempotencyKey">): RemoteRequest {
  const url = readUrl(call.url);
  for (const [name, value] of Object.entries(call.query ?? {})) appendQuery(url, name, value);
  const hasBody = call.body !== undefined && call.method !== "GET" && call.method !== "DELETE";
  const headers: Record<string, string> = {
    accept: "application/json, text/plain;q=0.9, */*;q=0.8",
    "accept-encoding": "identity",
    "user-agent": "riposte",
    ...(hasBody && { "content-type": "application/json" }),
    ...readHeaders(call.headers),
    ...readHeaders({ "idempotency-key": idempotencyKey }),
  };
  return { method: call.method, url, headers, ...(hasBody && { body: JSON.stringify(call.body) }) };
}

/** An http or https URL without credentials. @throws AttemptRefused */
export function readUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw new AttemptRefused("invalid_url", "The target is not an absolute URL.");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new AttemptRefused(
      "invalid_url",
      `The target's scheme is ${url.protocol.slice(0, -1)}; only http and https are possible.`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new AttemptRefused(
      "invalid_url",
      "The target carries a user name or password; send an Authorization header instead.",
    );
  }
  return url;
}

/** Lists repeat their name, objects are JSON, null is left out. */
function appendQuery(url: URL, name: string, value: Json): void {
  if (value === null) return;
  if (Array.isArray(value))
    for (const item of value) appendQuery(url, name, Array.isArray(item) ? JSON.stringify(item) : item);
  else url.searchParams.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** Headers with their names in lower case. @throws AttemptRefused `invalid_header`, whose message holds the name and never the value. */
export function readHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const read: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower))
      throw new AttemptRefused("invalid_header", "A header's name has characters that no name can have.");
    if (refusedHeaders.has(lower))
      throw new AttemptRefused("invalid_header", `The header ${name} is set by the executor and cannot be given.`);
    // RFC 9110, section 5.5: tabs, visible ASCII and the bytes above; a line break would begin another header.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw new AttemptRefused(
        "invalid_header",
        `The value of the header ${name} has a line break or another character that a header cannot hold.`,
      );
    }
    read[lower] = value;
  }
  return read;
}
