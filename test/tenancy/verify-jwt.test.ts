import { createHmac } from "node:crypto";
import { CompactEncrypt, CompactSign, exportSPKI, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { JwtRefused } from "../../src/tenancy/jwt-claims.ts";
import type { JwtProvider } from "../../src/tenancy/jwt-provider.ts";
import { createVerifyJwt, isJwtShaped, type VerifyJwt } from "../../src/tenancy/verify-jwt.ts";
import {
  audience,
  type IdentityProvider,
  makeKey,
  openIdentityProvider,
  part,
  type SigningKey,
  settingsOf,
} from "./identity-provider.ts";

let key: SigningKey;
let stranger: SigningKey;
let provider: IdentityProvider;
let verify: VerifyJwt;
const seconds = () => Math.floor(Date.now() / 1_000);
const make = (fields: Partial<JwtProvider> = {}) => createVerifyJwt([settingsOf(provider, fields)], silentLog);

beforeAll(async () => {
  [key, stranger] = await Promise.all([makeKey(), makeKey()]);
  provider = await openIdentityProvider(key);
  verify = make();
});
afterAll(() => provider.close());

async function reasonOf(jwt: string, by = verify): Promise<string> {
  const error = await by(jwt, new Date()).then(
    () => new Error("It was believed."),
    (thrown: Error) => thrown,
  );
  if (!(error instanceof JwtRefused)) throw error;
  return error.reason;
}

/** A JWT whose header and claims are written by hand, with any signature. */
function handmade(header: unknown, claims: unknown, signature: string): string {
  return `${part(header)}.${part(claims)}.${signature}`;
}

const good = () => ({ iss: provider.issuer, aud: audience, sub: "alice", exp: seconds() + 60, tenant: "default" });

describe("a JWT", () => {
  test("says who somebody is, of which tenant, with which roles and until when", async () => {
    const [iat, exp] = [seconds() - 1, seconds() + 120];
    const jwt = await provider.sign({ iat, exp, email: "alice@example.com", roles: ["operator", "security_lead"] });
    expect(await verify(jwt, new Date())).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      name: "alice@example.com",
      tenant: "default",
      roles: ["operator", "security_lead"],
      expiresAt: new Date(exp * 1_000),
      issuedAt: new Date(iat * 1_000),
      rankedAt: new Date(iat * 1_000),
    });
  });

  test("that does not say when it was issued is ranked by its end", async () => {
    const exp = seconds() + 120;
    const jwt = await provider.sign({ iat: undefined, exp });
    const rankedAt = new Date((exp - 3_600) * 1_000);
    expect(await verify(jwt, new Date())).toMatchObject({ issuedAt: undefined, rankedAt });
  });

  test.each(["RS256", "PS256", "ES256", "ES384", "EdDSA"])(
    "signed with %s is believed where that is pinned",
    async (alg) => {
      const other = await makeKey(alg);
      const theirs = await openIdentityProvider(other);
      const jwt = await theirs.sign();
      const pinned = createVerifyJwt([settingsOf(theirs, { algorithms: [alg] })], silentLog);
      expect(await pinned(jwt, new Date())).toMatchObject({ tenant: "default" });
      const others = createVerifyJwt([settingsOf(theirs, { algorithms: ["RS512"] })], silentLog);
      expect(await reasonOf(jwt, others)).toBe("algorithm");
      await theirs.close();
    },
  );

  test("may name one audience among several", async () => {
    expect(await verify(await provider.sign({ aud: ["account", audience] }), new Date())).toMatchObject({});
    expect(await reasonOf(await provider.sign({ aud: ["account", "other"] }))).toBe("claim_aud");
  });

  test("is told from an API token by its shape", async () => {
    expect(isJwtShaped(await provider.sign())).toBe(true);
    for (const text of ["rip_abc", "a.b.c", "test-admin-token", "eyJ.a.b.c.d", ""])
      expect(isJwtShaped(text)).toBe(false);
  });
});

describe("a JWT is refused", () => {
  test.each(["none", "None", "nOnE", ""])("with the algorithm %j", async (alg) => {
    expect(await reasonOf(handmade({ alg, kid: key.kid }, good(), ""))).toBe("algorithm");
  });

  test("signed by the public key as if it were a shared secret", async () => {
    const secrets = [await exportSPKI(key.publicKey), JSON.stringify(key.jwk), key.jwk.n ?? ""];
    for (const alg of ["HS256", "HS512"]) {
      for (const secret of secrets) {
        const signed = `${part({ alg, kid: key.kid })}.${part(good())}`;
        const mac = createHmac(alg === "HS256" ? "sha256" : "sha512", secret)
          .update(signed)
          .digest("base64url");
        expect(await reasonOf(`${signed}.${mac}`)).toBe("algorithm");
      }
    }
  });

  test("signed by anybody else under the name of the provider's key", async () => {
    expect(await reasonOf(await provider.sign({}, { key: stranger }))).toBe("signature");
  });

  test("whose claims were changed after it was signed", async () => {
    const [header, , signature] = (await provider.sign()).split(".") as [string, string, string];
    expect(await reasonOf(`${header}.${part({ ...good(), roles: ["admin"] })}.${signature}`)).toBe("signature");
  });

  test.each([
    ["a path", "../../../../dev/null"],
    ["SQL", "x' union select 'secret' --"],
    ["an address", "http://127.0.0.1:1/keys"],
    ["a prototype", "__proto__"],
    ["a name that its key has not", "RS256-2"],
  ])("whose key is named by %s", async (_what, kid) => {
    expect(await reasonOf(await provider.sign({}, { header: { kid } }))).toBe("unknown_key");
  });

  test.each([
    ["a list", ["RS256-1"]],
    ["an object", { kid: 1 }],
    ["a long text", "x".repeat(limits.jwtKeyIdLengthMax + 1)],
  ])("whose key is named by %s", async (_what, kid) => {
    expect(await reasonOf(handmade({ alg: "RS256", kid }, good(), "AAAA"))).toBe("key_id");
  });

  test("that brings its own key, or says where it is, without anybody looking there", async () => {
    const theirs = await openIdentityProvider(stranger);
    const url = theirs.jwksUrl.href;
    for (const own of [{ jku: url }, { x5u: url }, { jwk: stranger.jwk }, { x5c: ["MIIB"] }, { jku: url, x5u: url }]) {
      expect(await reasonOf(await provider.sign({}, { key: stranger, header: own }))).toBe("header");
    }
    expect(theirs.asked.count).toBe(0);
    await theirs.close();
  });

  test.each([{ crit: ["exp"], exp: 1 }, { b64: false, crit: ["b64"] }, { zip: "DEF" }])(
    "with the header %j, which changes how it is read",
    async (header) => {
      expect(await reasonOf(handmade({ alg: "RS256", kid: key.kid, ...header }, good(), "AAAA"))).toBe("header");
    },
  );

  test.each(["logout+jwt", "dpop+jwt", "secevent+jwt", 7])(
    "of the type %j, which is for something else",
    async (typ) => {
      expect(await reasonOf(await provider.sign({}, { header: { typ } }))).toBe("type");
    },
  );

  test.each([
    ["expired", () => ({ exp: seconds() - 1 }), "expired"],
    ["without exp", () => ({ exp: undefined }), "no_expiry"],
    ["with an exp that is no number", () => ({ exp: "4102444800" }), "no_expiry"],
    ["with an nbf in the future", () => ({ nbf: seconds() + 60 }), "claim_nbf"],
    ["issued in the future", () => ({ iat: seconds() + 60 }), "issued_in_the_future"],
    ["issued for longer than allowed", () => ({ exp: seconds() + 3_700 }), "lives_too_long"],
    [
      "valid for longer than allowed, and silent about when it was issued",
      () => ({ iat: undefined, exp: seconds() + 3_700 }),
      "lives_too_long",
    ],
    ["for another audience", () => ({ aud: "billing" }), "claim_aud"],
    ["without an audience", () => ({ aud: undefined }), "claim_aud"],
    ["of another issuer", () => ({ iss: "https://evil.example" }), "unknown_issuer"],
    ["of an issuer that is nearly ours", () => ({ iss: `${provider.issuer}/` }), "unknown_issuer"],
    ["without an issuer", () => ({ iss: undefined }), "unknown_issuer"],
    ["without a subject", () => ({ sub: undefined }), "claim_sub"],
    ["with an empty subject", () => ({ sub: "" }), "no_subject"],
    ["with an endless subject", () => ({ sub: "x".repeat(limits.jwtSubjectLengthMax + 1) }), "no_subject"],
    ["bound to a key that its holder does not prove", () => ({ cnf: { jkt: "x" } }), "bound_to_a_key"],
    ["without a tenant", () => ({ tenant: undefined }), "no_tenant"],
    ["with a tenant that is no text", () => ({ tenant: ["default"] }), "no_tenant"],
  ])("%s", async (_what, claims, reason) => {
    expect(await reasonOf(await provider.sign(claims()))).toBe(reason);
  });

  test("with a claim or a header that stands twice", async () => {
    const sign = (header: Record<string, unknown>, json: string) =>
      new CompactSign(Buffer.from(json)).setProtectedHeader({ alg: "RS256", ...header }).sign(key.privateKey);
    const claims = JSON.stringify(good());
    expect(await reasonOf(await sign({ kid: key.kid }, claims.replace("{", '{"tenant":"other",')))).toBe("malformed");
    expect(await reasonOf(await sign({ kid: key.kid }, claims.replace("{", '{"\\u0073ub":"root",')))).toBe("malformed");
    const header = '{"alg":"none","alg":"RS256"}';
    expect(await reasonOf(handmade(header, good(), "AAAA"))).toBe("malformed");
  });

  test("encrypted instead of signed, or holding another", async () => {
    const encrypted = await new CompactEncrypt(Buffer.from(JSON.stringify(good())))
      .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" })
      .encrypt(key.jwk.kty === "RSA" ? { ...key.jwk, alg: "RSA-OAEP-256", use: "enc" } : key.publicKey);
    expect(isJwtShaped(encrypted)).toBe(false);
    const nested = await new SignJWT({ jwt: await provider.sign() })
      .setProtectedHeader({ alg: "RS256", kid: key.kid, cty: "JWT" })
      .sign(key.privateKey);
    expect(await reasonOf(nested)).toBe("unknown_issuer");
  });

  test.each(["eyJ..", "eyJhIjoxfQ.eyJhIjoxfQ.", "eyJ.eyJ.eyJ", `${part([1])}.${part([1])}.`, `${part("{")}.e30.`])(
    "that is none: %s",
    async (jwt) => {
      expect(["malformed", "algorithm"]).toContain(await reasonOf(jwt));
    },
  );
});

describe("two providers", () => {
  test("vouch for their own people only, each with its own keys", async () => {
    const theirs = await openIdentityProvider(stranger);
    const both = createVerifyJwt([settingsOf(provider), settingsOf(theirs)], silentLog);
    expect(await both(await theirs.sign(), new Date())).toMatchObject({ tenant: "default" });
    const forged = await theirs.sign({ iss: provider.issuer });
    expect(await reasonOf(forged, both)).toBe("signature");
    await theirs.close();
  });

  test("never give two people one id, and one person always has the same", async () => {
    const theirs = await openIdentityProvider(stranger);
    const both = createVerifyJwt([settingsOf(provider), settingsOf(theirs)], silentLog);
    const idOf = async (jwt: Promise<string>) => (await both(await jwt, new Date())).id;
    const ids = await Promise.all([
      idOf(provider.sign()),
      idOf(provider.sign({ exp: seconds() + 61, email: "new@example.com" })),
      idOf(theirs.sign()),
      idOf(provider.sign({ sub: "bob" })),
    ]);
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(3);
    await theirs.close();
  });
});
