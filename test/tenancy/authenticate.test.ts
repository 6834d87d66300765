import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { generateToken } from "../../src/tenancy/api-token.ts";
import { createAuthenticator } from "../../src/tenancy/authenticate.ts";
import { ApiToken, type Tenant } from "../../src/tenancy/entities.ts";
import { revokeApiToken } from "../../src/tenancy/revoke-api-token.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { allEnabled, makeTenant, makeToken, movableClock, operationOf } from "./tenancy-fixtures.ts";

let database: TestDatabase;
let tenant: Tenant;
const clock = movableClock();
const make = () => createAuthenticator({ em: database.orm.em, clock, log: silentLog, tenants: allEnabled });
const bearer = (text: string) => `Bearer ${text}`;

beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "customer");
});
afterAll(() => database.close());

describe("an authenticator", () => {
  test("answers who holds a valid token, and what that gives", async () => {
    const { text, row } = await makeToken(database.orm, tenant, { roles: ["operator", "security_lead"], name: "soc" });
    const caller = await make().authenticate(bearer(text));
    expect(caller).toMatchObject({
      tenantId: tenant.id,
      actor: { kind: "TOKEN", id: row.id, name: "soc" },
      roles: ["operator", "security_lead"],
      tokenId: row.id,
    });
    expect([...(caller?.permissions ?? [])].sort()).toEqual(
      [
        ...[
          "action:read",
          "agent:read",
          "approval:read",
          "live-action:read",
          "playbook:read",
          "run:read",
          "settings:read",
          "variable:read",
        ],
        ...["event:emit", "live-action:dispatch", "run:execute"],
      ].sort(),
    );
  });

  test("gives an admin outside the first tenant everything but making tenants", async () => {
    const { text } = await makeToken(database.orm, tenant);
    const caller = await make().authenticate(bearer(text));
    expect(caller?.permissions.has("token:write")).toBe(true);
    expect(caller?.permissions.has("tenant:create")).toBe(false);
  });

  test("answers the same nothing whatever is wrong with a token", async () => {
    const authenticator = make();
    const expired = await makeToken(database.orm, tenant, { expiresAt: new Date(clock.now().getTime() - 1) });
    const revoked = await makeToken(database.orm, tenant);
    await revokeApiToken(operationOf(database.orm, tenant), clock, revoked.row.id);
    const wrong = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Basic dXNlcjpwYXNz",
      bearer(""),
      bearer("' or 1=1 --"),
      bearer(generateToken()),
      bearer(expired.text),
      bearer(revoked.text),
      bearer(revoked.row.hash),
      bearer("x".repeat(limits.tokenLengthMax + 1)),
      `${bearer(generateToken())}\u0000`,
    ];
    for (const authorization of wrong) expect(await authenticator.authenticate(authorization)).toBeUndefined();
  });

  test("takes the scheme in any case", async () => {
    const { text } = await makeToken(database.orm, tenant);
    expect(await make().authenticate(`bearer ${text}`)).toBeDefined();
  });

  test("ends a remembered token at the instant it expires", async () => {
    const { text } = await makeToken(database.orm, tenant, { expiresAt: new Date(clock.now().getTime() + 1_000) });
    const authenticator = make();
    expect(await authenticator.authenticate(bearer(text))).toBeDefined();
    clock.move(1_000);
    expect(await authenticator.authenticate(bearer(text))).toBeUndefined();
  });

  test("ends a revoked token at once where it is forgotten, and elsewhere within the time it is believed", async () => {
    const { text, row } = await makeToken(database.orm, tenant);
    const [here, elsewhere] = [make(), make()];
    for (const node of [here, elsewhere]) expect(await node.authenticate(bearer(text))).toBeDefined();
    await revokeApiToken(operationOf(database.orm, tenant), clock, row.id);
    here.forget(row.hash);
    expect(await here.authenticate(bearer(text))).toBeUndefined();
    await expect.poll(() => elsewhere.authenticate(bearer(text))).toBeUndefined();
  });

  test("writes the last use at most once in a while", async () => {
    const { text, row } = await makeToken(database.orm, tenant);
    const authenticator = make();
    const lastUsedAt = async () => {
      await authenticator.settled();
      return (await database.orm.em.fork().findOneOrFail(ApiToken, { id: row.id })).lastUsedAt;
    };
    const first = clock.now();
    await authenticator.authenticate(bearer(text));
    expect(await lastUsedAt()).toEqual(first);
    clock.move(limits.lastUsedStepMs - 1);
    await authenticator.authenticate(bearer(text));
    expect(await lastUsedAt()).toEqual(first);
    clock.move(1);
    await authenticator.authenticate(bearer(text));
    expect(await lastUsedAt()).toEqual(clock.now());
  });
});
