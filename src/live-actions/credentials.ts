import type { Issue } from "../core/failures.ts";
import { isJsonObject, isStorableText, type Json, type JsonObject } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { isEntryName } from "../secrets/names.ts";
import type { Adapter, CredentialParam } from "./adapter.ts";

/** A credential as a request gives it: its text, or the name of a secret of the credential store, written `{"$secret": "name"}`. */
export type GivenCredential = { readonly text: string } | { readonly secret: string };
export type GivenCredentials = ReadonlyMap<string, GivenCredential>;

export interface PartedParams {
  /** Without the credentials of any vendor. */
  readonly params: JsonObject;
  readonly given: GivenCredentials;
  readonly issues: readonly Issue[];
}

/** Parts what a request says into what an adapter may see and be shown, and the credential parameters, whoever's they are. */
export function partCredentials(known: ReadonlyMap<string, CredentialParam>, params: JsonObject): PartedParams {
  const given = new Map<string, GivenCredential>();
  const issues: Issue[] = [];
  const rest = Object.entries(params).filter(([name, value]) => {
    const param = known.get(name);
    if (!param) return true;
    const credential = credentialOf(value, param);
    if (typeof credential === "string") issues.push({ path: childPath("$.params", name), ...problems[credential] });
    // Empty or null is how forms say that there is none.
    else if (credential) given.set(name, credential);
    return false;
  });
  return { params: Object.fromEntries(rest), given, issues };
}

// No message quotes the value.
const problems = {
  wrong_type: {
    code: "wrong_type",
    message: 'A credential is a text, or {"$secret": "name"} for one of the credential store.',
  },
  too_long: { code: "too_long", message: `A credential has at most ${limits.secretBytesMax} bytes.` },
  // One that holds half of a pair would be masked out of the middle of a whole one.
  invalid_text: { code: "invalid_text", message: "The text holds U+0000, or half of a surrogate pair." },
} as const;

function credentialOf(value: Json, { isSecret }: CredentialParam): GivenCredential | keyof typeof problems | undefined {
  // Such as `splunk_verify_ssl: false`.
  if (!isSecret && (typeof value === "boolean" || typeof value === "number")) return { text: String(value) };
  if (value === null || value === "") return undefined;
  if (typeof value === "string") return textProblem(value) ?? { text: value };
  const secret = isJsonObject(value) && Object.keys(value).length === 1 ? value["$secret"] : undefined;
  return typeof secret === "string" && isEntryName(secret) ? { secret } : "wrong_type";
}

function textProblem(text: string): "too_long" | "invalid_text" | undefined {
  if (Buffer.byteLength(text) > limits.secretBytesMax) return "too_long";
  return isStorableText(text) ? undefined : "invalid_text";
}

/** Where a credential comes from: the request's own text, or the secret of that name. */
export type CredentialSource = GivenCredential;

export interface CredentialPlan {
  /** By parameter; those that are nowhere are not in it. */
  readonly sources: ReadonlyMap<string, CredentialSource>;
  /** Required parameters that are nowhere: with several ways to sign in, those of the way that is nearest. Empty: nothing is missing. */
  readonly missing: readonly string[];
  /** Stored secrets are kept away from the call: its address or its account is the request's own. */
  readonly isWithheld: boolean;
}

/** The secrets that the credentials come from. */
export function plannedSecretNames({ sources }: CredentialPlan): readonly string[] {
  return [...new Set([...sources.values()].flatMap((source) => ("secret" in source ? [source.secret] : [])))];
}

interface CredentialSearch {
  readonly given: GivenCredentials;
  /** Which of the tenant's secrets there are, of those that could be asked for. */
  readonly stored: ReadonlySet<string>;
  /** Whether the caller may send stored secrets to an address of its own choice: only who may replace the stored address may. */
  readonly mayRedirect: boolean;
}

/** Where each credential of an adapter comes from: from the request, else from the secret of the parameter's name. */
export function planCredentials(adapter: Adapter, search: CredentialSearch): CredentialPlan {
  const { credentials } = adapter;
  const { given, stored, mayRedirect } = search;
  const isElsewhere =
    !mayRedirect && credentials.some((param) => isAddress(param) && "text" in (given.get(param.name) ?? {}));
  const shown = mayRedirect ? [] : shownToStrangers(credentials, given);
  const sources = new Map<string, CredentialSource>();
  for (const { name } of credentials) {
    const source = given.get(name) ?? { secret: name };
    const isWithheld = isElsewhere || shown.includes(name);
    if ("text" in source || (!isWithheld && stored.has(source.secret))) sources.set(name, source);
  }
  const missing = [...new Set([...missingOf(adapter, sources), ...shown])];
  return { sources, missing, isWithheld: isElsewhere || shown.length > 0 };
}

/**
 * Whoever signs in with secrets of its own sees in its own account's records what else was sent, such as a role or a group: where those are
 * taken from stored secrets by reference, the secrets would be read that way.
 */
function shownToStrangers(credentials: readonly CredentialParam[], given: GivenCredentials): readonly string[] {
  const isOwnAccount = credentials.some(({ name, isSecret }) => isSecret && "text" in (given.get(name) ?? {}));
  if (!isOwnAccount) return [];
  const others = credentials.filter(({ isSecret, isRequired }) => !isSecret || isRequired === false);
  return others.flatMap(({ name }) => ("secret" in (given.get(name) ?? {}) ? [name] : []));
}

/** True for a parameter that says where the vendor is, or how that is made sure of: whoever chooses it chooses who receives the secrets. */
function isAddress({ name, isSecret }: CredentialParam): boolean {
  return !isSecret && addressName.test(name);
}

/** What plugins call such a parameter, too: docs/plugins.md tells their authors. */
const addressName = /(^|_)(url|uri|host|hostname|domain|endpoint|server|address|proxy|port|verify_(ssl|tls))$/;

/** True where the tenant's store alone has all that the adapter needs. */
export function isConfigured(adapter: Adapter, stored: ReadonlySet<string>): boolean {
  return planCredentials(adapter, { given: new Map(), stored, mayRedirect: true }).missing.length === 0;
}

/** True where nobody can be asked without a credential. */
export function requiresCredentials({ credentials }: Adapter): boolean {
  return credentials.some(({ isRequired }) => isRequired !== false);
}

/** The secrets that an adapter could need, by name. */
export function secretNamesOf({ credentials }: Adapter, given: GivenCredentials): string[] {
  return credentials.flatMap(({ name }) => {
    const source = given.get(name) ?? { secret: name };
    return "secret" in source ? [source.secret] : [];
  });
}

/** Which of the parameters that an adapter requires are not there: with several ways to sign in, what the nearest of them lacks. */
export function missingOf({ credentials }: Adapter, there: { has(name: string): boolean }): readonly string[] {
  const absent = credentials.filter(({ name }) => !there.has(name));
  const always = absent.filter(({ isRequired }) => isRequired === true).map(({ name }) => name);
  const ways = new Set(credentials.flatMap(groupsOf));
  const lacking = [...ways].map((way) =>
    absent.filter((param) => groupsOf(param).includes(way)).map(({ name }) => name),
  );
  const nearest = lacking.toSorted((a, b) => a.length - b.length)[0] ?? [];
  return [...always, ...nearest];
}

function groupsOf({ isRequired }: CredentialParam): readonly string[] {
  if (typeof isRequired === "boolean") return [];
  return typeof isRequired.group === "string" ? [isRequired.group] : isRequired.group;
}
