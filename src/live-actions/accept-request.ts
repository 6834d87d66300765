import { cutText } from "../core/cut-text.ts";
import { type Issue, ValidationFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import {
  canonicalJson,
  isJsonObject,
  isStorableText,
  type Json,
  type JsonObject,
  sha256,
  storableJson,
} from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import { createMask } from "../secrets/mask.ts";
import { type GivenCredential, type GivenCredentials, partCredentials } from "./credentials.ts";
import type { Registry } from "./registry.ts";

/** A live action as a caller asks for it. */
export interface LiveActionInput {
  readonly requestId?: string | null | undefined;
  readonly capability: string;
  readonly vendorId?: string | null | undefined;
  readonly target: string;
  readonly params?: Json | null | undefined;
  readonly caseId?: string | null | undefined;
  readonly requestedBy?: string | null | undefined;
  readonly dryRun?: boolean | null | undefined;
  /** Bound of the vendor's call, besides the adapter's own: of a step. */
  readonly timeoutMs?: number | undefined;
}

export interface AcceptedRequest {
  readonly requestId: string;
  readonly capability: string;
  /** As the caller says; undefined where it leaves that to the tenant. */
  readonly vendorId: string | undefined;
  /** As they may be stored: a given credential that stands in them is masked. */
  readonly caseId: string | undefined;
  readonly requestedBy: string | undefined;
  /** As the adapter gets it. */
  readonly target: string;
  /** Without credentials. */
  readonly params: JsonObject;
  readonly given: GivenCredentials;
  /** Texts that no result may hold: the secrets that were given, whoever's they are. */
  readonly secrets: readonly string[];
  /** As it may be stored: a given credential that stands elsewhere in the request too is masked there. */
  readonly shown: { readonly target: string; readonly params: JsonObject; readonly credentials: JsonObject };
  /** SHA-256 of all that was asked but the values of secrets: tells a repetition from another request. */
  readonly inputHash: string;
}

/** The request within its bounds, with its credentials parted from it. @throws ValidationFailure with every problem at once. */
export function acceptRequest(registry: Registry, input: LiveActionInput): AcceptedRequest {
  const { capability, target } = input;
  const requestId = input.requestId ?? undefined;
  const vendorId = input.vendorId ?? undefined;
  const caseId = input.caseId ?? undefined;
  const requestedBy = input.requestedBy ?? undefined;
  const all = input.params ?? {};
  const issues = [
    ...textIssues("requestId", requestId, { least: 1, most: limits.idLengthMax }),
    ...textIssues("capability", capability, { least: 1, most: limits.nameLengthMax }),
    ...textIssues("vendorId", vendorId, { least: 1, most: limits.nameLengthMax }),
    ...textIssues("target", target, { least: 0, most: limits.targetLengthMax }),
    ...textIssues("caseId", caseId, { least: 1, most: limits.idLengthMax }),
    ...textIssues("requestedBy", requestedBy, { least: 1, most: limits.idLengthMax }),
    ...paramsIssues(all),
  ];
  const parted = partCredentials(registry.credentials(), isJsonObject(all) && issues.length === 0 ? all : {});
  issues.push(...parted.issues, ...foreignIssues(registry, parted.given));
  if (issues.length > 0) throw new ValidationFailure(issues);
  const params = storableJson(parted.params) as JsonObject;
  const said = { capability, vendorId: vendorId ?? null, target, params };
  const by = { caseId: caseId ?? null, requestedBy: requestedBy ?? null };
  const credentials = shownCredentials(registry, parted.given);
  const secrets = givenSecrets(registry, { given: parted.given, params });
  const mask = createMask(secrets);
  return {
    ...{ requestId: requestId ?? newId(), capability, vendorId, target, params, given: parted.given, secrets },
    caseId: caseId && cutText(mask.text(caseId), limits.idLengthMax),
    requestedBy: requestedBy && cutText(mask.text(requestedBy), limits.idLengthMax),
    shown: {
      target: mask.text(target),
      params: mask.json(params) as JsonObject,
      credentials: mask.json(credentials) as JsonObject,
    },
    inputHash: sha256(canonicalJson({ ...said, ...by, credentials })),
  };
}

function textIssues(
  name: string,
  text: string | undefined,
  { least, most }: { readonly least: number; readonly most: number },
): Issue[] {
  if (text === undefined) return [];
  const path = `$.${name}`;
  if (text.trim().length < least) return [{ path, code: "required", message: `A ${name} is not empty.` }];
  if (text.length > most) return [{ path, code: "too_long", message: `A ${name} has at most ${most} characters.` }];
  if (isStorableText(text)) return [];
  return [{ path, code: "invalid_text", message: "The text holds U+0000, or half of a surrogate pair." }];
}

function paramsIssues(params: Json): Issue[] {
  const path = "$.params";
  if (!isJsonObject(params))
    return [{ path, code: "wrong_type", message: 'This is an object, such as {"pid": 4711}.' }];
  if (isNestedDeeper(params, limits.documentDepthMax)) {
    return [{ path, code: "too_deep", message: `Nested deeper than ${limits.documentDepthMax} levels.` }];
  }
  if (Buffer.byteLength(JSON.stringify(params)) <= limits.contextBytesMax) return [];
  return [{ path, code: "too_large", message: `At most ${limits.contextBytesMax} bytes of JSON.` }];
}

/** A reference reaches no other vendor's credential: each vendor sees its own only. */
function foreignIssues(registry: Registry, given: GivenCredentials): Issue[] {
  return [...given].flatMap(([name, source]) => {
    const owner = "secret" in source ? registry.vendorOfCredential(source.secret) : undefined;
    if (owner === undefined || owner === registry.vendorOfCredential(name)) return [];
    const message = `This secret is a credential of ${owner}, and goes to no other vendor. Name one of this vendor's.`;
    return [{ path: childPath("$.params", name), code: "foreign_credential", message }];
  });
}

/** What tells two requests apart by their credentials without telling any. */
function shownCredentials(registry: Registry, given: GivenCredentials): JsonObject {
  return Object.fromEntries(
    [...given].map(([name, source]) => {
      if ("secret" in source) return [name, { $secret: source.secret }];
      return [name, isSecret(registry, name) ? "***" : source.text];
    }),
  );
}

/** What of the credentials of an earlier request is still known: references, and what is no secret. */
export function givenAgain(registry: Registry, shown: JsonObject | null | undefined): GivenCredentials {
  const given = new Map<string, GivenCredential>();
  for (const [name, value] of Object.entries(shown ?? {})) {
    if (typeof value === "string" && !isSecret(registry, name)) given.set(name, { text: value });
    const reference = isJsonObject(value ?? null) ? (value as JsonObject)["$secret"] : undefined;
    if (typeof reference === "string") given.set(name, { secret: reference });
  }
  return given;
}

/** The values of the secrets that were given as texts, those too that stand where no adapter looks for them, within other params. */
export function givenSecrets(
  registry: Registry,
  { given, params }: Pick<AcceptedRequest, "given" | "params">,
): readonly string[] {
  const own = [...given].flatMap(([name, source]) =>
    "text" in source && isSecret(registry, name) ? [source.text] : [],
  );
  return [...own, ...secretsWithin(registry, params)];
}

function secretsWithin(registry: Registry, value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap((inner) => secretsWithin(registry, inner));
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === "string" && registry.credentials().get(name)?.isSecret ? [inner] : secretsWithin(registry, inner),
  );
}

function isSecret(registry: Registry, name: string): boolean {
  return registry.credentials().get(name)?.isSecret ?? true;
}
