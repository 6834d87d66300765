import { createPublicKey } from "node:crypto";
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWSHeaderParameters,
} from "jose";
import { StateFailure } from "../core/failures.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";

/** The keys of a provider. */
export interface JwtKeys {
  /**
   * The keys that a token with this header may be signed with: one, or a few where it names none.
   * @throws JwtKeyUnknown; StateFailure `unavailable` where the provider's keys can't be fetched.
   */
  keysFor(header: JWSHeaderParameters): Promise<readonly CryptoKey[]>;
}

/** The provider has no such key. */
export class JwtKeyUnknown extends Error {}

/** @throws Error, for the operator, when the text holds no usable keys. It quotes none of it. */
export function pinnedKeys(text: string): JwtKeys {
  const blocks = text.match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g);
  if (!blocks) return { keysFor: selector(keySetOf(parse(text))) };
  const keys = blocks.map((block) => {
    if (!/^-----BEGIN (RSA )?(PUBLIC KEY|CERTIFICATE)-----/.test(block)) throw new Error(publicOnly);
    return createPublicKey(block).export({ format: "jwk" }) as JWK;
  });
  const select = selector(keySetOf({ keys }));
  // A PEM has no name, so any key of the fitting type is tried.
  return { keysFor: ({ alg }) => select({ ...(alg === undefined ? {} : { alg }) }) };
}

const publicOnly = "Give the provider's public keys: as PEM (PUBLIC KEY or CERTIFICATE), as a JWK, or as a JWK Set.";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(publicOnly);
  }
}

/** @throws Error for what is no set of public keys. */
function keySetOf(given: unknown): JSONWebKeySet {
  const keys = isJsonObject(given as never) ? ((given as { keys?: unknown }).keys ?? [given]) : undefined;
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isPublicKey)) throw new Error(publicOnly);
  return { keys };
}

function isPublicKey(key: unknown): key is JWK {
  return typeof key === "object" && key !== null && "kty" in key && key.kty !== "oct" && !("d" in key);
}

function selector(set: JSONWebKeySet): JwtKeys["keysFor"] {
  const find = createLocalJWKSet(set);
  return async (header) => {
    try {
      const key = await find({ ...header, alg: header.alg ?? "" });
      if (isLongEnough(key)) return [key];
      throw new JwtKeyUnknown();
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw new JwtKeyUnknown();
      const keys: CryptoKey[] = [];
      for await (const key of error) {
        if (isLongEnough(key) && keys.push(key) === limits.jwtKeysTriedMax) break;
      }
      return keys;
    }
  };
}

/** A shorter RSA key proves nothing (RFC 7518, 3.3), and verifying with it would throw as if that were a bug of ours. */
function isLongEnough({ algorithm }: CryptoKey): boolean {
  return !("modulusLength" in algorithm) || Number(algorithm.modulusLength) >= 2_048;
}

interface PublishedKeysOptions {
  readonly url: URL;
  readonly log: Log;
  /** A clock that only goes forward, in ms. */
  readonly now?: () => number;
}

/**
 * The keys that a provider publishes. They are fetched again when they are `jwksFreshMs` old, and for a token that names an unknown key, but
 * never twice within `jwksCooldownMs`, whatever tokens come in. While the provider does not answer, the keys it had count on, for `jwksStaleMs`.
 */
export function publishedKeys({ url, log, now = () => performance.now() }: PublishedKeysOptions): JwtKeys {
  let select: JwtKeys["keysFor"] | undefined;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  const fetchNow = async () => {
    try {
      select = selector(await fetchKeySet(url));
      fetchedAt = now();
    } catch (error) {
      log.warn(
        { url: url.origin + url.pathname, error: error instanceof Error ? error.message : "" },
        "jwks.not_fetched",
      );
    } finally {
      fetching = undefined;
    }
  };
  /** Fetches, or waits for who does; does nothing while it cools down. */
  const refresh = (): Promise<void> | undefined => {
    if (!fetching && now() - triedAt >= (select ? limits.jwksCooldownMs : limits.jwksRetryMs)) {
      triedAt = now();
      fetching = fetchNow();
    }
    return fetching;
  };

  return {
    async keysFor(header) {
      const age = now() - fetchedAt;
      // A little old, they are good while new ones are fetched.
      if (age > limits.jwksFreshMs) void refresh();
      if (!select || age > limits.jwksStaleMs) await refresh();
      if (!select || now() - fetchedAt > limits.jwksStaleMs) {
        throw new StateFailure(
          "unavailable",
          "The keys of the identity provider can't be fetched at the moment; try again.",
        );
      }
      try {
        return await select(header);
      } catch (error) {
        if (!(error instanceof JwtKeyUnknown)) throw error;
        await refresh();
        return select(header);
      }
    },
  };
}

/** @throws Error with a reason that may be logged. */
async function fetchKeySet(url: URL): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    // Where the keys are was decided by the operator, and by nobody who can answer there.
    redirect: "error",
    signal: AbortSignal.timeout(limits.jwksFetchMs),
  });
  if (response.status !== 200) throw new Error(`It answered with status ${response.status}.`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > limits.jwksBytesMax) throw new Error(`It answered with more than ${limits.jwksBytesMax} bytes.`);
    chunks.push(chunk);
  }
  const answer = JSON.parse(Buffer.concat(chunks).toString()) as { keys?: unknown };
  const keys = Array.isArray(answer.keys) ? answer.keys.filter(isPublicKey) : [];
  if (keys.length === 0 || keys.length > limits.jwksKeysMax) throw new Error("It answered with no set of public keys.");
  return { keys };
}
