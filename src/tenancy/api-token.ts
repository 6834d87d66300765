import { randomBytes } from "node:crypto";
import { sha256 } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/** Says what it is to people and to scanners that look for leaked credentials. */
const prefix = "rip_";
const randomBytesCount = 32;

/** The text of a new token: `rip_` and 256 random bits in base64url. Given out once; only its hash is kept. */
export function generateToken(): string {
  return `${prefix}${randomBytes(randomBytesCount).toString("base64url")}`;
}

/**
 * What is stored of a token: SHA-256, in hex. Unsalted and quick, since 256 random bits can't be guessed, and looking a
 * token up by its hash tells by its timing nothing of the token.
 */
export function hashToken(token: string): string {
  return sha256(token);
}

/** The token of an `Authorization` header (`Bearer <token>`, the scheme in any case, RFC 6750); undefined where there is none. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > limits.tokenLengthMax + "Bearer ".length) return undefined;
  return /^bearer +(\S+)$/i.exec(authorization)?.[1];
}

/** True for a text that a client can send as a bearer token: visible ASCII. */
export function isSendableToken(text: string): boolean {
  return text.length <= limits.tokenLengthMax && /^[\x21-\x7e]+$/.test(text);
}
