import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StateFailure } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import type { Log } from "../../src/core/log.ts";
import { hashToken } from "../../src/tenancy/api-token.ts";
import { createAuthenticator } from "../../src/tenancy/authenticate.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { personId } from "../../src/tenancy/jwt-claims.ts";
import { createVerifyJwt } from "../../src/tenancy/verify-jwt.ts";
import { countingForks } from "../support/counting-forks.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type IdentityProvider, makeKey, openIdentityProvider, settingsOf } from "./identity-provider.ts";
import { allEnabled, makeTenant, makeToken, movableClock } from "./tenancy-fixtures.ts";

let database: TestDatabase;
let tenant: Tenant;
let provider: IdentityProvider;
const clock = movableClock();
const logged: unknown[] = [];
const write = (...parts: unknown[]) => void logged.push(parts);
const log = { debug: write, info: write, warn: write, error: write } as unknown as Log;
const make = () => {
  const verifyJwt = createVerifyJwt([settingsOf(provider)], log);
  return createAuthenticator({ em: database.orm.em, clock, log, tenants: allEnabled, verifyJwt });
};
const bearer = (text: string) => `Bearer ${text}`;

beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "customer");
  provider = await openIdentityProvider(await makeKey());
});
afterAll(async () => {
  await provider.close();
  await database.close();
});

describe("an authenticator with an identity provider", () => {
  test("answers a person of the tenant that their JWT names, by its name or its id", async () => {
    const authenticator = make();
    for (const named of ["customer", tenant.id]) {
      const claims = { tenant: named, roles: ["operator", "security_lead"], preferred_username: "alice" };
      const caller = await authenticator.authenticate(bearer(await provider.sign(claims)));
      expect(caller).toMatchObject({
        tenantId: tenant.id,
        actor: { kind: "MEMBER", id: personId(provider.issuer, "alice"), name: "alice" },
        roles: ["operator", "security_lead"],
      });
      expect(caller?.permissions.has("run:execute")).toBe(true);
      expect(caller?.permissions.has("token:write")).toBe(false);
    }
  });

  test("gives an admin outside the first tenant no more than their token would", async () => {
    const jwt = await provider.sign({ tenant: "customer", roles: ["admin"] });
    const caller = await make().authenticate(bearer(jwt));
    expect(caller?.permissions.has("token:write")).toBe(true);
    expect(caller?.permissions.has("tenant:create")).toBe(false);
    expect(caller?.permissions.has("agent:work")).toBe(false);
  });

  test("takes API tokens as before", async () => {
    const { text } = await makeToken(database.orm, tenant);
    expect(await make().authenticate(bearer(text))).toMatchObject({ actor: { kind: "TOKEN" } });
  });

  test("answers the same nothing whatever is wrong with a JWT, and tells the log only why", async () => {
    logged.length = 0;
    const authenticator = make();
    const jwts = await Promise.all(
      [
        { tenant: "nobody's", roles: ["admin"] },
        { tenant: "00000000-0000-4000-8000-000000000000" },
        { tenant: "' or 1=1 --" },
        { tenant: "customer\u0000" },
        { tenant: "customer", aud: "other" },
      ].map((claims) => provider.sign(claims)),
    );
    for (const jwt of jwts) expect(await authenticator.authenticate(bearer(jwt))).toBeUndefined();
    expect(logged).toEqual([
      [{ reason: "unknown_tenant" }, "jwt.refused"],
      [{ reason: "no_tenant" }, "jwt.refused"],
      [{ reason: "claim_aud" }, "jwt.refused"],
    ]);
  });

  test("reads no JWT that is longer than any token", async () => {
    const jwt = await provider.sign({ tenant: "customer", pad: "x".repeat(limits.tokenLengthMax) });
    expect(await make().authenticate(bearer(jwt))).toBeUndefined();
  });

  test("ends a remembered JWT at the instant it expires", async () => {
    const exp = Math.floor(clock.now().getTime() / 1_000) + 10;
    const jwt = await provider.sign({ tenant: "customer", exp });
    const authenticator = make();
    expect(await authenticator.authenticate(bearer(jwt))).toBeDefined();
    clock.move(exp * 1_000 - clock.now().getTime() - 1);
    expect(await authenticator.authenticate(bearer(jwt))).toBeDefined();
    clock.move(1);
    expect(await authenticator.authenticate(bearer(jwt))).toBeUndefined();
  });

  test("says that it can't tell while it has no keys, and nothing of it to who is expired", async () => {
    provider.published.status = 500;
    const authenticator = make();
    const jwt = await provider.sign({
      tenant: "customer",
      iat: undefined,
      exp: Math.floor(clock.now().getTime() / 1_000) + 60,
    });
    await expect(authenticator.authenticate(bearer(jwt))).rejects.toThrow(StateFailure);
    const expired = await provider.sign({ tenant: "customer", exp: 1 });
    expect(await authenticator.authenticate(bearer(expired))).toBeUndefined();
    provider.published.status = 200;
  });

  test("without one takes no JWT", async () => {
    const authenticator = createAuthenticator({ em: database.orm.em, clock, log, tenants: allEnabled });
    expect(await authenticator.authenticate(bearer(await provider.sign({ tenant: "customer" })))).toBeUndefined();
  });
});

describe("what may be a guess", () => {
  test("is an API token that was not valid lately, and no JWT", async () => {
    const authenticator = make();
    const { text } = await makeToken(database.orm, tenant);
    expect(authenticator.mayBeGuess(bearer(text))).toBe(true);
    await authenticator.authenticate(bearer(text));
    await authenticator.authenticate(bearer("rip_guess"));
    const all = [bearer(text), bearer(await provider.sign()), bearer("rip_guess"), "Basic x", "Bearer"];
    expect(all.map(authenticator.mayBeGuess)).toEqual([false, false, true, true, true]);
  });
});

describe("many who are asked about at once", () => {
  test("and are no API tokens are asked about as agents together, once", async () => {
    const asked: (readonly string[])[] = [];
    const agent = { tenantId: tenant.id, actor: { kind: "AGENT", id: "1", name: "agent" } as const };
    const findAgents = async (_em: unknown, hashes: readonly string[]) => {
      asked.push(hashes);
      return new Map([
        [hashToken("rip_7"), { ...agent, roles: [], permissions: new Set<never>(), expiresAt: undefined }],
      ]);
    };
    const authenticator = createAuthenticator({ em: database.orm.em, clock, log, tenants: allEnabled, findAgents });
    const { text } = await makeToken(database.orm, tenant, { name: "among guesses" });
    const texts = [...Array.from({ length: 20 }, (_, n) => `rip_${n}`), text];
    const callers = await Promise.all(texts.map((one) => authenticator.authenticate(bearer(one))));
    await authenticator.settled();
    expect(callers.filter((caller) => caller !== undefined).map(({ actor }) => actor.name)).toEqual([
      "agent",
      "among guesses",
    ]);
    expect(asked).toEqual([texts.slice(0, 20).map(hashToken)]);
  });

  test("are looked up together", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, n) => makeToken(database.orm, tenant, { name: `token ${n}` })),
    );
    const authenticator = make();
    const { forkCount, result: callers } = await countingForks(database.orm.em, () =>
      Promise.all(tokens.map(({ text }) => authenticator.authenticate(bearer(text)))),
    );
    await authenticator.settled();
    expect(callers.map((caller) => caller?.actor.name)).toEqual(tokens.map(({ row }) => row.name));
    // One for all, and one for each first use that is written down.
    expect(forkCount).toBe(1 + tokens.length);
  });
});
