import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { AdapterCall, CredentialParam } from "../adapter.ts";
import { readAnswer } from "../vendor-answer.ts";
import { type VendorAnswer, VendorError, type VendorRequest } from "../vendor-http.ts";
import { pathSegment, vendorUrl } from "../vendor-url.ts";
import { invalid, readFlag } from "./read-params.ts";
import { readServerAddress } from "./server-address.ts";

const of = (...group: string[]): CredentialParam["isRequired"] => ({ group });

/** An address (as a URL or a host) and a way to sign in. */
export const splunkCredentials: readonly CredentialParam[] = [
  {
    name: "splunk_url",
    isRequired: of("url and token", "url and password"),
    isSecret: false,
    description: "Splunk's management port, e.g. https://splunk.example:8089.",
  },
  {
    name: "splunk_host",
    isRequired: of("host and token", "host and password"),
    isSecret: false,
    description: "The same as a host name; https and port 8089 where it names no other.",
  },
  {
    name: "splunk_token",
    isRequired: of("url and token", "host and token"),
    isSecret: true,
    description: "A Splunk authentication token.",
  },
  {
    name: "splunk_username",
    isRequired: of("url and password", "host and password"),
    isSecret: false,
    description: "A Splunk user; needed only without a token.",
  },
  {
    name: "splunk_password",
    isRequired: of("url and password", "host and password"),
    isSecret: true,
    description: "The user's password.",
  },
  {
    name: "splunk_verify_ssl",
    isRequired: false,
    isSecret: false,
    description: "false where the server has a certificate of its own; true where left out.",
  },
];

/** Where else a search looks, and only it. */
export const splunkIndex: CredentialParam = {
  name: "splunk_index",
  isRequired: false,
  isSecret: false,
  description: "The index that searches are kept to, unless they begin with a pipe or with `search`.",
};

export interface SplunkRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Segments of the path below `/`. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
}

/**
 * Asks Splunk's REST API, with the token or with a session of the user.
 * @throws VendorError for a status of 300 and more; InvalidRequest where a credential can't be used.
 * @see "Using the REST API reference" and "Set up authentication with tokens" in the Splunk manuals, 2026-11.
 */
export async function askSplunk(call: AdapterCall, request: SplunkRequest): Promise<VendorAnswer> {
  const { credentials, http } = call;
  const token = credentials["splunk_token"];
  if (token) return http.call(splunkRequest(call, request, `Bearer ${token}`));
  const username = credentials["splunk_username"] ?? "";
  const signIn = () => fetchSession(call, username);
  return http.callWithToken(username, signIn, (session) => splunkRequest(call, request, `Splunk ${session}`));
}

/** The same where there may be no such thing; undefined then. */
export async function askSplunkFor(call: AdapterCall, request: SplunkRequest): Promise<VendorAnswer | undefined> {
  try {
    return await askSplunk(call, request);
  } catch (error) {
    if (error instanceof VendorError && error.status === 404) return undefined;
    throw error;
  }
}

/** Sessions end an hour after their last use, by default (`sessionTimeout` of server.conf); a shorter one is noticed by its 401. */
async function fetchSession(call: AdapterCall, username: string) {
  const form = { username, password: call.credentials["splunk_password"] ?? "", output_mode: "json" };
  const request: SplunkRequest = { method: "POST", path: ["services", "auth", "login"], form };
  const answer = await call.http.call(splunkRequest(call, request, undefined));
  return { token: readAnswer(answer, sessionShape).sessionKey, expiresInMs: 3_600_000 };
}

const sessionShape = z.object({ sessionKey: z.string().min(1) });

function splunkRequest(
  { credentials }: AdapterCall,
  request: SplunkRequest,
  authorization: string | undefined,
): VendorRequest {
  const { method, path, query, form } = request;
  const given = credentials["splunk_url"] || credentials["splunk_host"] || "";
  const value = readServerAddress(given, 8089)?.href;
  const name = credentials["splunk_url"] ? "splunk_url" : "splunk_host";
  if (value === undefined) throw invalid(`\`${name}\` is to be an address like https://splunk.example:8089.`);
  const isVerifying = readFlag(credentials, "splunk_verify_ssl", true);
  return {
    method,
    url: vendorUrl(
      { name, value, fallback: "https://splunk.example:8089" },
      `/${path.map(pathSegment).join("/")}`,
      query,
    ),
    ...(authorization !== undefined && { headers: { authorization } }),
    ...(form && { form }),
    ...(!isVerifying && { allowsUntrustedCertificate: true }),
  };
}

export interface SplunkJob {
  readonly sid: string;
  readonly resultCount: number;
  readonly hasFailed: boolean;
  /** It was stopped before its end: its results are some of them. */
  readonly isCutShort: boolean;
  readonly messages: readonly SplunkMessage[];
}

export interface SplunkMessage {
  /** DEBUG, INFO, WARN, ERROR or FATAL. */
  readonly type: string;
  readonly text: string;
}

/**
 * Runs a search to its end.
 * @returns Its id. A search that failed has one, too.
 * @see "search/jobs" in the Splunk REST API reference, 2026-11.
 */
export async function runSearch(call: AdapterCall, form: Readonly<Record<string, string>>): Promise<string> {
  const blocking = { ...form, exec_mode: "blocking", output_mode: "json" };
  return readAnswer(await askSplunk(call, { method: "POST", path: jobsPath, form: blocking }), startedShape).sid;
}

/** How a search went. */
export async function readJob(call: AdapterCall, sid: string): Promise<SplunkJob> {
  const query = { output_mode: "json" };
  const answer = readAnswer(await askSplunk(call, { method: "GET", path: [...jobsPath, sid], query }), jobShape);
  const { isFailed, isFinalized, dispatchState, resultCount, messages } = answer.entry[0].content;
  return {
    sid,
    resultCount,
    hasFailed: isFailed || dispatchState === "FAILED" || messages.some(({ type }) => type === "FATAL"),
    isCutShort: isFinalized,
    messages,
  };
}

export const jobsPath: readonly string[] = ["services", "search", "jobs"];

const startedShape = z.object({ sid: z.string().min(1) });
/** Splunk writes messages as a list, and as an empty object where there are none. */
const messagesShape = z
  .array(z.object({ type: z.string().transform((type) => type.toUpperCase()), text: z.string() }))
  .catch([]);
const jobShape = z.object({
  entry: z.tuple([
    z.object({
      content: z.object({
        dispatchState: z.string(),
        isFailed: z.boolean(),
        isFinalized: z.boolean().default(false),
        resultCount: z.number().int().min(0).default(0),
        messages: messagesShape,
      }),
    }),
  ]),
});

/** What a job said, for details: errors first, a few of them. */
export function saidBy({ http }: AdapterCall, { messages }: SplunkJob): readonly JsonObject[] {
  const ranks = ["FATAL", "ERROR", "WARN"];
  return messages
    .filter(({ type }) => ranks.includes(type))
    .toSorted((a, b) => ranks.indexOf(a.type) - ranks.indexOf(b.type))
    .slice(0, 5)
    .map(({ type, text }) => ({ type, text: http.excerpt(text, limits.vendorMessageLengthMax) }));
}
