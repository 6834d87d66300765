import { type CryptoKey, errors, type JWSHeaderParameters, jwtVerify } from "jose";
import { hasDuplicateKeys } from "../core/duplicate-keys.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { type DescribedPerson, JwtRefused, personOf } from "./jwt-claims.ts";
import { type JwtKeys, JwtKeyUnknown, pinnedKeys, publishedKeys } from "./jwt-keys.ts";
import type { JwtProvider } from "./jwt-provider.ts";

/** A person, for as long as their token says. */
export interface VerifiedPerson extends DescribedPerson {
  readonly expiresAt: Date;
  /** Undefined where it does not say. By its issuer's clock, as is the next. */
  readonly issuedAt: Date | undefined;
  /** What orders the JWTs of a person: when it was issued, or the earliest that it can have been, by its end. */
  readonly rankedAt: Date;
}

/** @returns Who a JWT is about. @throws JwtRefused; StateFailure `unavailable` where the provider's keys can't be fetched. */
export type VerifyJwt = (jwt: string, now: Date) => Promise<VerifiedPerson>;

/** True for three parts of base64url, of which the first is an object: what `verifyJwt` is asked about, and no API token is. */
export function isJwtShaped(text: string): boolean {
  return /^ey[\w-]*\.[\w-]*\.[\w-]*$/.test(text);
}

/** @throws Error, for the operator, when the pinned keys of a provider are none. */
export function createVerifyJwt(providers: readonly JwtProvider[], log: Log): VerifyJwt {
  const known = new Map(providers.map((provider) => [provider.issuer, { provider, keys: keysOf(provider, log) }]));
  // Fetched now, so that the log says at the start where they can't be.
  for (const { keys, provider } of known.values())
    keys.keysFor({ alg: provider.algorithms[0] ?? "" }).catch(() => undefined);
  return async (jwt, now) => {
    const header = readHeader(jwt);
    const claimed = readPart(jwt, 1);
    const { provider, keys } = known.get(claimed["iss"] as string) ?? refused("unknown_issuer");
    if (!provider.algorithms.includes(header.alg)) refused("algorithm");
    // Before the keys: what is over is over, also while they can't be fetched.
    const expiresAt = expiryOf(claimed, provider, now);
    const claims = await verify({ jwt, header, provider, keys, now });
    const { iat } = claims;
    const issuedAt = typeof iat === "number" ? new Date(iat * 1_000) : undefined;
    const rankedAt = issuedAt ?? new Date(expiresAt.getTime() - provider.lifetimeSecondsMax * 1_000);
    return { ...personOf(claims, provider), expiresAt, issuedAt, rankedAt };
  };
}

function keysOf({ keys }: JwtProvider, log: Log): JwtKeys {
  return "jwksUrl" in keys ? publishedKeys({ url: keys.jwksUrl, log }) : pinnedKeys(keys.pinned);
}

function refused(reason: string): never {
  throw new JwtRefused(reason);
}

/** By which a token would say itself what it is to be believed by. None of our providers needs them. */
const selfVouching = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "enc", "zip"] as const;
/** Other kinds of JWT that a provider signs with the same keys (logout tokens, proofs, events) are no access tokens. */
const accessTypes: ReadonlySet<unknown> = new Set([
  undefined,
  "jwt",
  "at+jwt",
  "application/jwt",
  "application/at+jwt",
]);

function readHeader(jwt: string): JWSHeaderParameters & { readonly alg: string } {
  const header = readPart(jwt, 0);
  const { alg, kid, typ } = header;
  if (typeof alg !== "string") return refused("algorithm");
  if (selfVouching.some((name) => Object.hasOwn(header, name))) refused("header");
  if (!accessTypes.has(typeof typ === "string" ? typ.toLowerCase() : typ)) refused("type");
  if (kid === undefined) return { alg };
  if (typeof kid !== "string" || kid.length > limits.jwtKeyIdLengthMax) return refused("key_id");
  return { alg, kid };
}

/** One part as it was sent, of which nothing is proven. */
function readPart(jwt: string, index: 0 | 1): JsonObject {
  try {
    const json = Buffer.from(jwt.split(".")[index] ?? "", "base64url").toString();
    const part: unknown = JSON.parse(json);
    if (isJsonObject(part as never) && !hasDuplicateKeys(json)) return part as JsonObject;
  } catch {
    // Told as what is no object.
  }
  return refused("malformed");
}

function expiryOf(claims: JsonObject, provider: JwtProvider, now: Date): Date {
  const { exp, iat } = claims;
  const { clockToleranceSeconds: tolerance, lifetimeSecondsMax } = provider;
  const nowSeconds = now.getTime() / 1_000;
  if (typeof exp !== "number") return refused("no_expiry");
  if (iat !== undefined && (typeof iat !== "number" || iat > nowSeconds + tolerance)) refused("issued_in_the_future");
  if (exp - (typeof iat === "number" ? iat : nowSeconds) > lifetimeSecondsMax) refused("lives_too_long");
  // To the second: a difference between the clocks only makes its life a little shorter.
  if (exp <= nowSeconds) refused("expired");
  return new Date(exp * 1_000);
}

interface Verification {
  readonly jwt: string;
  readonly header: JWSHeaderParameters;
  readonly provider: JwtProvider;
  readonly keys: JwtKeys;
  readonly now: Date;
}

async function verify({ jwt, header, provider, keys, now }: Verification): Promise<JsonObject> {
  try {
    for (const key of await keys.keysFor(header)) {
      const claims = await claimsOf(jwt, key, { provider, now });
      if (claims) return claims;
    }
  } catch (error) {
    if (error instanceof JwtKeyUnknown) refused("unknown_key");
    if (error instanceof errors.JWTClaimValidationFailed) refused(`claim_${error.claim}`);
    if (error instanceof errors.JOSEError) refused("malformed");
    throw error;
  }
  return refused("signature");
}

/** Undefined where another key signed it. */
async function claimsOf(
  jwt: string,
  key: CryptoKey,
  { provider, now }: Pick<Verification, "provider" | "now">,
): Promise<JsonObject | undefined> {
  try {
    const { payload } = await jwtVerify(jwt, key, {
      algorithms: [...provider.algorithms],
      issuer: provider.issuer,
      audience: [...provider.audience],
      clockTolerance: provider.clockToleranceSeconds,
      currentDate: now,
      requiredClaims: ["exp", "sub"],
    });
    // Bound to a key that its holder would have to prove (RFC 9449, RFC 8705), which a bearer does not.
    if (payload["cnf"] !== undefined) refused("bound_to_a_key");
    return payload as JsonObject;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return undefined;
    throw error;
  }
}
