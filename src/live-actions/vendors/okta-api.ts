import { z } from "zod";
import { isStorableText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { AdapterCall, AdapterRequest, CredentialParam, RequestProblem } from "../adapter.ts";
import { type FailedResult, failed, readAnswer } from "../vendor-answer.ts";
import { type VendorAnswer, VendorError, type VendorRequest } from "../vendor-http.ts";
import { pathSegment, vendorUrl } from "../vendor-url.ts";

/** @see Okta, "Create an API token", developer.okta.com, 2026-11: the token goes with the scheme SSWS. */
export const oktaCredentials: readonly CredentialParam[] = [
  {
    name: "okta_domain",
    isRequired: true,
    isSecret: false,
    description: "The organisation's Okta domain, e.g. example.okta.com.",
  },
  {
    name: "okta_api_token",
    isRequired: true,
    isSecret: true,
    description: "An API token of an administrator who may manage users.",
  },
];

/** @see Okta Users API, developer.okta.com, 2026-11: `status`, and `transitioningToStatus` while an activation or deactivation goes on. */
const UserShape = z.object({
  id: z.string().regex(/^\w{1,64}$/),
  status: z.string(),
  transitioningToStatus: z.string().nullish(),
  profile: z.object({ login: z.string() }),
});

export interface OktaUser {
  readonly id: string;
  readonly login: string;
  /** E.g. `ACTIVE`. */
  readonly status: string;
  /** What the user is about to become; undefined when nothing is under way. */
  readonly nextStatus: string | undefined;
}

/**
 * What is wrong with a target as a user: a login, its short form, or an id. `me` is refused: Okta takes it for the owner of the token.
 */
export function checkUser({ target }: AdapterRequest): RequestProblem | undefined {
  const invalid = (message: string): RequestProblem => ({ error: "invalid_target", message });
  const text = target.trim();
  if (text === "" || text.length > limits.nameLengthMax * 2)
    return invalid("The target is to be an Okta user's login or id.");
  if (!isStorableText(text) || /\p{Cc}/u.test(text)) return invalid("An Okta login holds no control characters.");
  if (text === "." || text === "..") return invalid("Dots alone are no Okta user.");
  if (text.toLowerCase() === "me")
    return invalid("`me` is the owner of the API token. Give the user's full login or id.");
  return undefined;
}

interface OktaRequest {
  readonly method: VendorRequest["method"];
  /** Below `/api/v1`; its parts are escaped already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
}

/** One call of Okta's API. @throws VendorError for whatever is no success. */
export function callOkta(call: AdapterCall, { method, path, query }: OktaRequest): Promise<VendorAnswer> {
  const url = vendorUrl(baseOf(call.credentials), `/api/v1${path}`, query);
  return call.http.call({ method, url, headers: { authorization: `SSWS ${call.credentials["okta_api_token"]}` } });
}

function baseOf({ okta_domain: domain = "" }: Readonly<Record<string, string>>) {
  const value = /^https?:\/\//i.test(domain) ? domain : `https://${domain}`;
  // In clear the token goes to nobody but a stand-in on the same machine.
  if (/^http:/i.test(value) && !/^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\/?$/i.test(value)) {
    throw new VendorError("okta_domain is to be a domain, or an address that begins with https.");
  }
  return { name: "okta_domain", value, fallback: "https://example.okta.com" };
}

/**
 * The user that the target names, by id, login or the short form of a login; where the path knows none, by a filter, which also finds logins
 * that can't stand in a path.
 * @see Okta Users API, developer.okta.com, 2026-11: "Retrieve a user", and `filter` with `profile.login eq`.
 */
export async function findUser(call: AdapterCall): Promise<OktaUser | FailedResult> {
  const target = call.target.trim();
  const user = (/[/\\]/.test(target) ? undefined : await readUser(call, target)) ?? (await filterUser(call, target));
  if (!user) return failed("target_not_found", `Okta knows no user ${target}.`, { user: target });
  if (!isNamed(user, target)) throw new VendorError("Okta answered with another user than was asked for.");
  return user;
}

/** A user by id or login; undefined where there is none. */
export async function readUser(call: AdapterCall, idOrLogin: string): Promise<OktaUser | undefined> {
  try {
    return userOf(readAnswer(await callOkta(call, { method: "GET", path: userPath(idOrLogin) }), UserShape));
  } catch (error) {
    if (error instanceof VendorError && error.status === 404) return undefined;
    throw error;
  }
}

async function filterUser(call: AdapterCall, login: string): Promise<OktaUser | undefined> {
  const query = { filter: loginFilter(login), limit: "2" };
  const [user] = readAnswer(await callOkta(call, { method: "GET", path: "/users", query }), z.array(UserShape));
  return user && userOf(user);
}

/**
 * A filter for one login, whatever stands in it.
 * @see RFC 7644, section 3.4.2.2, which Okta's filters follow: a value is a JSON string.
 */
export function loginFilter(login: string): string {
  return `profile.login eq ${JSON.stringify(login)}`;
}

/** The path of a user, or of what is below it, e.g. `lifecycle/suspend`. */
export function userPath(idOrLogin: string, below?: string): string {
  return `/users/${pathSegment(idOrLogin)}${below === undefined ? "" : `/${below}`}`;
}

/** The id in the details of an earlier call; undefined where they have none. */
export function userIdIn({ user_id: id }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof id === "string" && /^\w{1,64}$/.test(id) && id !== "me" ? id : undefined;
}

function userOf({ id, status, transitioningToStatus, profile }: z.infer<typeof UserShape>): OktaUser {
  return { id, login: profile.login, status, nextStatus: transitioningToStatus ?? undefined };
}

function isNamed({ id, login }: OktaUser, target: string): boolean {
  const wanted = target.toLowerCase();
  const known = login.toLowerCase();
  return id === target || known === wanted || known.startsWith(`${wanted}@`);
}
