import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import type { JwtProvider } from "../../src/tenancy/jwt-provider.ts";

/** A key pair of a provider, and the public half as it publishes it. */
export interface SigningKey {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

export async function makeKey(alg = "RS256", kid = `${alg}-1`): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
  return { alg, kid, privateKey, publicKey, jwk };
}

/** An identity provider on loopback: it publishes keys, counts who asks for them, and signs what a test says. */
export interface IdentityProvider {
  readonly issuer: string;
  readonly jwksUrl: URL;
  /** What it publishes; a test may change it. */
  published: { status: number; body: unknown };
  /** How often it was asked for its keys. */
  readonly asked: { count: number };
  /** A JWT of a person: valid, unless the claims say otherwise. `undefined` takes a claim out. */
  sign(claims?: Record<string, unknown>, how?: { key?: SigningKey; header?: Record<string, unknown> }): Promise<string>;
  close(): Promise<void>;
}

export const audience = "riposte";

export async function openIdentityProvider(key: SigningKey, issuer?: string): Promise<IdentityProvider> {
  const asked = { count: 0 };
  const server: Server = createServer((_request, response) => {
    asked.count += 1;
    response.writeHead(provider.published.status, { "content-type": "application/jwk-set+json" });
    response.end(JSON.stringify(provider.published.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: IdentityProvider = {
    issuer: issuer ?? `${origin}/realms/soc`,
    jwksUrl: new URL(`${origin}/certs`),
    published: { status: 200, body: { keys: [key.jwk] } },
    asked,
    sign: (claims = {}, { key: other = key, header = {} } = {}) => {
      const now = Math.floor(Date.now() / 1_000);
      const all = {
        ...{ iss: provider.issuer, aud: audience, sub: "alice", iat: now, exp: now + 300, tenant: "default" },
        ...claims,
      };
      return new SignJWT(JSON.parse(JSON.stringify(all)) as JWTPayload)
        .setProtectedHeader({ alg: other.alg, kid: other.kid, typ: "JWT", ...header })
        .sign(other.privateKey);
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return provider;
}

/** How a provider of a test is set up; its tokens say which tenant and which roles. */
export function settingsOf(
  { issuer, jwksUrl }: Pick<IdentityProvider, "issuer" | "jwksUrl">,
  fields: Partial<JwtProvider> = {},
): JwtProvider {
  return {
    ...{ issuer, audience: [audience], algorithms: ["RS256"], keys: { jwksUrl } },
    ...{ tenant: { claim: "tenant" }, rolesClaim: "roles", roleMap: undefined },
    ...{ nameClaims: ["email", "preferred_username"], clockToleranceSeconds: 5, lifetimeSecondsMax: 3_600 },
    ...fields,
  };
}

/** A part of a JWT, as anybody can write it. */
export function part(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}
