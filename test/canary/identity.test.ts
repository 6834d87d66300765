import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../../src/config.ts";
import { audience, type IdentityProvider, makeKey, openIdentityProvider, part } from "../tenancy/identity-provider.ts";
import { CanaryWorld } from "./canary-world.ts";
import { canary, leaksIn, plainCanary } from "./forms.ts";

// Beside test/tenancy/authenticate.test.ts and verify-jwt.test.ts: what callers prove themselves with, looked for in every place. What agents
// prove themselves with is in agents.test.ts.

const adminToken = `admin-${createHash("sha256").update("canary admin").digest("hex")}`;
const secretsKey = createHash("sha256").update("canary key").digest("base64");

let provider: IdentityProvider;
let world: CanaryWorld;
let operator: string;

beforeAll(async () => {
  provider = await openIdentityProvider(await makeKey());
  world = await CanaryWorld.open([], {
    ...{ ADMIN_TOKEN: adminToken, SECRETS_KEY: secretsKey },
    ...{ JWT_ISSUER: provider.issuer, JWT_AUDIENCE: [audience], JWT_JWKS_URL: provider.jwksUrl.href },
    ...{ JWT_TENANT_CLAIM: "tenant", JWT_ROLES_CLAIM: "roles" },
  });
  operator = await world.token("of an operator", ["operator"]);
});
afterAll(async () => {
  await world.close();
  await provider.close();
});

const viewer = "{ viewer { kind name roles } }";

/** Comes with a token by every transport, asks what everybody may and what needs more. */
async function use(token: string): Promise<void> {
  await world.ask(viewer, {}, token);
  await world.mutate("createApiToken", "token", { name: "none", roles: ["admin"] }, token).catch(() => undefined);
  await world.ask("{ nope }", {}, token);
  await world.watched(token, 'subscription { runEvents(runId: "none") { cursor } }');
  await world.read(`${world.server.url}?query=${encodeURIComponent(viewer)}`, { authorization: `Bearer ${token}` });
  const accept = "text/event-stream";
  const query = encodeURIComponent('subscription { runEvents(runId: "none") { cursor } }');
  await world.read(`${world.server.url}?query=${query}`, { accept, authorization: `Bearer ${token}` });
  await world.read(new URL("/api/audit/export", world.server.url).href, { authorization: `Bearer ${token}` });
  await world.read(new URL("/events", world.server.url).href, { authorization: token });
}

describe("a token", () => {
  test("of whoever comes is found nowhere, not even its hash but where it is looked up", async () => {
    const tokens = [world.server.adminToken, world.viewer, world.stranger, operator];
    for (const token of tokens) await use(token);
    await world.expectClean(...tokens);
    const { tokens: known } = await world.ask<{ tokens: unknown }>(
      "{ tokens: apiTokens(first: 100) { edges { node { id name } } } }",
    );
    expect(JSON.stringify(known)).toContain("of an operator");
    const hash = createHash("sha256").update(operator).digest("hex");
    for (const [place, text] of await world.everything()) {
      if (place !== "the database") expect(leaksIn(text, [hash])).toEqual([]);
    }
  });

  test("that is none, or none any more, is found nowhere", async () => {
    const revoked = await world.secretly<{ token: string; apiToken: { id: string } }>(
      "createApiToken",
      "token apiToken { id }",
      { name: "revoked", roles: ["viewer"] },
    );
    await world.mutate("revokeApiToken", "apiToken { id }", { id: revoked.apiToken.id });
    const unknown = plainCanary("a token that never was");
    for (const token of [revoked.token, unknown, `${operator}x`, `Basic ${unknown}`]) await use(token);
    await world.expectClean(revoked.token, unknown, operator);
  });

  test("of an identity provider is found nowhere, whether it is believed or not", async () => {
    const good = await provider.sign({ email: "alice@example.com", roles: ["operator"] });
    const expired = await provider.sign({ exp: 1_700_000_000 });
    const elsewhere = await provider.sign({ aud: "elsewhere", iss: "https://elsewhere.example" });
    const unsigned = `${part({ alg: "none" })}.${part({ sub: plainCanary("a subject") })}.`;
    const oddKey = await provider.sign({}, { header: { kid: "../../etc/passwd' or 1=1" } });
    expect(await world.ask(viewer, {}, good)).toMatchObject({ viewer: { kind: "MEMBER" } });
    const all = [good, expired, elsewhere, unsigned, oddKey];
    for (const token of all) await use(token);
    const signatures = all.map((token) => token.split(".")[2] ?? "").filter((signature) => signature !== "");
    await world.expectClean(...all, ...signatures, plainCanary("a subject"));
  });
});

describe("the key of the server", () => {
  test("is found nowhere, and what it encrypts neither", async () => {
    const value = canary("encrypted by the key");
    await world.mutate("putSecret", "secret { name }", { name: "encrypted", value });
    await world.expectClean(value, secretsKey, Buffer.from(secretsKey, "base64").toString("hex"));
  });

  test("is told by no message about a wrong configuration, nor are other secrets of it", () => {
    const secret = `${plainCanary("a mistyped secret")} é`;
    const environment = {
      ADMIN_TOKEN: secret,
      SECRETS_KEY: secret,
      DATABASE_URL: `mysql://user:${secret}@host/db`,
      JWT_KEYS: secret,
      PORT: secret,
      LOG_LEVEL: secret,
    };
    const refusal = (() => {
      try {
        return String(readConfig(environment));
      } catch (error) {
        return error instanceof ConfigError ? error.message : "a bug";
      }
    })();
    expect(refusal).toMatch(/ADMIN_TOKEN[\s\S]*LOG_LEVEL/);
    expect(leaksIn(refusal, [secret])).toEqual([]);
  });

  test("is told by no refusal to start with it", async () => {
    const secret = plainCanary("a key of the wrong length");
    const refused = await CanaryWorld.open([], { SECRETS_KEY: secret }).then(
      () => "no refusal",
      (error: unknown) => String(error),
    );
    expect(refused).toContain("SECRETS_KEY");
    expect(leaksIn(refused, [secret])).toEqual([]);
  });
});
