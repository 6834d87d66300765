import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportPKCS8, exportSPKI } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { StateFailure } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { type JwtKeys, JwtKeyUnknown, pinnedKeys, publishedKeys } from "../../src/tenancy/jwt-keys.ts";
import { type IdentityProvider, makeKey, openIdentityProvider, type SigningKey } from "./identity-provider.ts";

let [key, next]: SigningKey[] = [];
let provider: IdentityProvider;
let keys: JwtKeys;
const time = { ms: 0 };
const ask = (kid: string, from = keys) => from.keysFor({ alg: "RS256", kid });

beforeAll(async () => {
  [key, next] = await Promise.all([makeKey("RS256", "first"), makeKey("RS256", "second")]);
  provider = await openIdentityProvider(key!);
});
afterAll(() => provider.close());
beforeEach(() => {
  time.ms = 0;
  provider.asked.count = 0;
  provider.published = { status: 200, body: { keys: [key!.jwk] } };
  keys = publishedKeys({ url: provider.jwksUrl, log: silentLog, now: () => time.ms });
});

describe("the keys that a provider publishes", () => {
  test("are fetched once for many who ask at once, and then kept", async () => {
    await Promise.all([ask("first"), ask("first"), ask("first")]);
    time.ms += limits.jwksFreshMs;
    await ask("first");
    expect(provider.asked.count).toBe(1);
  });

  test("are fetched again for a key that is new", async () => {
    await ask("first");
    provider.published.body = { keys: [key!.jwk, next!.jwk] };
    time.ms += limits.jwksCooldownMs;
    expect(await ask("second")).toHaveLength(1);
    expect(provider.asked.count).toBe(2);
  });

  test("are not fetched for every key that somebody makes up", async () => {
    await ask("first");
    time.ms += limits.jwksCooldownMs;
    for (let guess = 0; guess < 50; guess++) await expect(ask(`guess ${guess}`)).rejects.toThrow(JwtKeyUnknown);
    expect(provider.asked.count).toBe(2);
    expect(await ask("first")).toHaveLength(1);
  });

  test("lose what the provider withdraws once they are fetched again", async () => {
    await ask("first");
    provider.published.body = { keys: [next!.jwk] };
    time.ms += limits.jwksFreshMs + 1;
    // Who asks first is not kept waiting; the new ones come meanwhile.
    await ask("first");
    await expect
      .poll(() =>
        ask("first").then(
          () => "known",
          (error: unknown) => error,
        ),
      )
      .toBeInstanceOf(JwtKeyUnknown);
  });

  test("count on for a while when the provider does not answer, and then no longer", async () => {
    await ask("first");
    provider.published.status = 503;
    time.ms += limits.jwksStaleMs;
    expect(await ask("first")).toHaveLength(1);
    await expect.poll(() => provider.asked.count).toBe(2);
    time.ms += limits.jwksCooldownMs + 1;
    await expect(ask("first")).rejects.toThrow(StateFailure);
    provider.published.status = 200;
    time.ms += limits.jwksCooldownMs;
    expect(await ask("first")).toHaveLength(1);
  });

  test("that never came are asked for again soon, and who waits is told", async () => {
    provider.published.status = 500;
    await expect(ask("first")).rejects.toMatchObject({ code: "unavailable" });
    await expect(ask("first")).rejects.toMatchObject({ code: "unavailable" });
    expect(provider.asked.count).toBe(1);
    provider.published.status = 200;
    time.ms += limits.jwksRetryMs;
    expect(await ask("first")).toHaveLength(1);
  });

  test.each([
    ["no JSON object", "keys"],
    ["no keys", { keys: [] }],
    ["a shared secret alone", { keys: [{ kty: "oct", k: "c2VjcmV0", kid: "first", alg: "HS256" }] }],
    [
      "more keys than any provider has",
      { keys: Array.from({ length: limits.jwksKeysMax + 1 }, () => ({ kty: "RSA" })) },
    ],
    ["more than is read", { keys: [], pad: "x".repeat(limits.jwksBytesMax) }],
  ])("are none when it answers with %s", async (_what, body) => {
    provider.published.body = body;
    await expect(ask("first")).rejects.toMatchObject({ code: "unavailable" });
  });

  test("are looked for nowhere else than where the operator said", async () => {
    let redirected = 0;
    const elsewhere = createServer((_request, response) => {
      redirected += 1;
      response.writeHead(302, { location: provider.jwksUrl.href }).end();
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const url = new URL(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/certs`);
    const led = publishedKeys({ url, log: silentLog, now: () => time.ms });
    await expect(ask("first", led)).rejects.toMatchObject({ code: "unavailable" });
    expect([redirected, provider.asked.count]).toEqual([1, 0]);
    elsewhere.closeAllConnections();
    await new Promise((resolve) => elsewhere.close(resolve));
  });

  test("fit only the algorithm they are for", async () => {
    await expect(keys.keysFor({ alg: "ES256", kid: "first" })).rejects.toThrow(JwtKeyUnknown);
    await expect(keys.keysFor({ alg: "PS256", kid: "first" })).rejects.toThrow(JwtKeyUnknown);
    await expect(keys.keysFor({ alg: "HS256", kid: "first" })).rejects.toThrow(JwtKeyUnknown);
  });

  test("are no keys where they are too short to prove anything, and the others of the set are", async () => {
    const short = generateKeyPairSync("rsa", { modulusLength: 1_024 }).publicKey.export({ format: "jwk" });
    const { jwk } = await makeKey("RS256", "good");
    provider.published.body = {
      keys: [{ ...short, kid: "short" }, { kty: "RSA", n: "AAA", e: "AQAB", kid: "broken" }, jwk],
    };
    await expect(ask("short")).rejects.toThrow(JwtKeyUnknown);
    await expect(ask("broken")).rejects.toThrow(JwtKeyUnknown);
    expect(await ask("good")).toHaveLength(1);
    expect(await keys.keysFor({ alg: "RS256" })).toHaveLength(1);
  });

  test("are tried a few at a time by a token that names none", async () => {
    const jwks = await Promise.all(
      Array.from({ length: limits.jwtKeysTriedMax + 2 }, (_, n) => makeKey("ES256", `${n}`)),
    );
    provider.published.body = { keys: jwks.map(({ jwk }) => jwk) };
    expect(await keys.keysFor({ alg: "ES256" })).toHaveLength(limits.jwtKeysTriedMax);
  });
});

describe("pinned keys", () => {
  test("are PEM, of which several may stand in one text, a JWK or a set of them", async () => {
    const pem = await exportSPKI(key!.publicKey);
    const both = pinnedKeys(`${pem}\n${await exportSPKI(next!.publicKey)}\n`);
    expect(await both.keysFor({ alg: "RS256", kid: "any name" })).toHaveLength(2);
    expect(await pinnedKeys(JSON.stringify(key!.jwk)).keysFor({ alg: "RS256", kid: "first" })).toHaveLength(1);
    const set = pinnedKeys(JSON.stringify({ keys: [key!.jwk, next!.jwk] }));
    expect(await set.keysFor({ alg: "RS256", kid: "second" })).toHaveLength(1);
    await expect(set.keysFor({ alg: "RS256", kid: "third" })).rejects.toThrow(JwtKeyUnknown);
  });

  test("that are private or shared, or none, are refused without being quoted", async () => {
    const secret = Buffer.alloc(32, 7).toString("base64url");
    const texts = [
      await exportPKCS8(key!.privateKey),
      generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({
        type: "pkcs1",
        format: "pem",
      }) as string,
      JSON.stringify(await exportJWK(key!.privateKey)),
      JSON.stringify({ kty: "oct", k: secret }),
      JSON.stringify({ keys: [] }),
      JSON.stringify([key!.jwk]),
      "null",
      secret,
    ];
    const message = "Give the provider's public keys: as PEM (PUBLIC KEY or CERTIFICATE), as a JWK, or as a JWK Set.";
    for (const text of texts) expect(() => pinnedKeys(text)).toThrow(new Error(message));
  });
});
