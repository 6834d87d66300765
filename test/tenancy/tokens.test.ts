import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConflictFailure, ForbiddenError, NotFoundFailure, ValidationFailure } from "../../src/core/failures.ts";
import { hashToken } from "../../src/tenancy/api-token.ts";
import { type ApiTokenInput, createApiToken } from "../../src/tenancy/create-api-token.ts";
import { createTenant } from "../../src/tenancy/create-tenant.ts";
import { ApiToken, Tenant } from "../../src/tenancy/entities.ts";
import { revokeApiToken } from "../../src/tenancy/revoke-api-token.ts";
import { updateTenantSettings } from "../../src/tenancy/update-tenant-settings.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, makeToken, movableClock, operationOf } from "./tenancy-fixtures.ts";

let database: TestDatabase;
let tenant: Tenant;
let other: Tenant;
const clock = movableClock();
const create = (input: ApiTokenInput) => createApiToken(operationOf(database.orm, tenant), clock, input);

beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "default");
  other = await makeTenant(database.orm, "customer");
});
afterAll(() => database.close());

describe("a new API token", () => {
  test("belongs to the caller's tenant and is kept as a hash", async () => {
    const expiresAt = new Date(clock.now().getTime() + 1);
    const { token, apiToken } = await create({ name: "ci", roles: ["operator", "security_lead"], expiresAt });
    const stored = await database.orm.em.fork().findOneOrFail(ApiToken, { id: apiToken.id });
    expect(stored).toMatchObject({ tenantId: tenant.id, name: "ci", roles: ["operator", "security_lead"], expiresAt });
    expect(stored.hash).toBe(hashToken(token));
    expect(JSON.stringify(stored)).not.toContain(token);
  });

  test("is refused with every problem of its input at once", async () => {
    const refused = create({ name: " ", roles: ["Admin", "viewer", "viewer"], expiresAt: clock.now() });
    await expect(refused).rejects.toThrow(ValidationFailure);
    await expect(refused).rejects.toMatchObject({
      issues: [
        { path: "$.name", code: "invalid_name" },
        { path: "$.roles[0]", code: "invalid_role" },
        { path: "$.roles[2]", code: "duplicate" },
        { path: "$.expiresAt", code: "not_in_the_future" },
      ],
    });
    await expect(create({ name: "x", roles: [] })).rejects.toMatchObject({
      issues: [{ path: "$.roles", code: "empty" }],
    });
    await expect(create({ name: "ADMIN_TOKEN", roles: ["admin"] })).rejects.toMatchObject({
      issues: [{ code: "reserved_name" }],
    });
  });

  test("takes a name that no valid token of the tenant has", async () => {
    await makeToken(database.orm, other, { name: "theirs" });
    await create({ name: "theirs", roles: ["viewer"] });
    const { apiToken } = await create({ name: "twice", roles: ["viewer"] });
    await expect(create({ name: "twice", roles: ["viewer"] })).rejects.toThrow(ConflictFailure);
    await revokeApiToken(operationOf(database.orm, tenant), clock, apiToken.id);
    await create({ name: "twice", roles: ["viewer"] });
  });

  test("takes a name once when two are made at once", async () => {
    const both = await Promise.allSettled([0, 1].map(() => create({ name: "raced", roles: ["viewer"] })));
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("gives nothing that its maker may not do", async () => {
    const climber = {
      ...operationOf(database.orm, tenant),
      permissions: new Set(["token:write", "action:read"] as const),
    };
    await expect(createApiToken(climber, clock, { name: "climb", roles: ["admin"] })).rejects.toThrow(ForbiddenError);
    const customer = operationOf(database.orm, other);
    await createApiToken(customer, clock, { name: "second admin", roles: ["admin"] });
    const noHost = { ...operationOf(database.orm, tenant), permissions: customer.permissions };
    await expect(createApiToken(noHost, clock, { name: "climb", roles: ["admin"] })).rejects.toThrow("tenant:create");
  });
});

describe("revoking a token", () => {
  test("keeps the first instant when it is done again", async () => {
    const { row } = await makeToken(database.orm, tenant);
    const first = await revokeApiToken(operationOf(database.orm, tenant), clock, row.id);
    expect(first.revokedAt).toEqual(clock.now());
    clock.move(1_000);
    expect((await revokeApiToken(operationOf(database.orm, tenant), clock, row.id)).revokedAt).toEqual(first.revokedAt);
  });

  test("finds no other tenant's token, and nothing behind what is no id", async () => {
    const { row } = await makeToken(database.orm, other);
    for (const id of [row.id, "00000000-0000-7000-8000-000000000000", "no id", ""]) {
      const refused = revokeApiToken(operationOf(database.orm, tenant), clock, id);
      await expect(refused).rejects.toThrow(NotFoundFailure);
      await expect(refused).rejects.toThrow("There is no such token.");
    }
    expect((await database.orm.em.fork().findOneOrFail(ApiToken, { id: row.id })).revokedAt).toBeNull();
  });
});

describe("a new tenant", () => {
  test("has an admin and none of the maker's rows", async () => {
    const made = await createTenant(operationOf(database.orm, tenant), { name: "Müller & Sons" });
    const rows = await database.orm.em.fork().find(ApiToken, { tenantId: made.tenant.id });
    expect(rows).toMatchObject([{ roles: ["admin"], hash: hashToken(made.token) }]);
  });

  test("is refused when its name is taken or none", async () => {
    const ctx = () => operationOf(database.orm, tenant);
    const before = await database.orm.em.fork().count(ApiToken);
    await expect(createTenant(ctx(), { name: "default" })).rejects.toThrow(ConflictFailure);
    for (const name of ["", " a", "a\u0000b", "x".repeat(129), "\u202eevil"]) {
      await expect(createTenant(ctx(), { name })).rejects.toThrow(ValidationFailure);
    }
    expect(await database.orm.em.fork().count(ApiToken)).toBe(before);
  });
});

describe("tenant settings", () => {
  test("change where they are given, in the caller's tenant only", async () => {
    const ctx = operationOf(database.orm, tenant);
    expect(await updateTenantSettings(ctx, { allowSelfApproval: true })).toMatchObject({
      allowSelfApproval: true,
      newActionsStartDisabled: false,
    });
    expect(await updateTenantSettings(ctx, { newActionsStartDisabled: true })).toMatchObject({
      allowSelfApproval: true,
      newActionsStartDisabled: true,
    });
    expect(await database.orm.em.fork().findOneOrFail(Tenant, { id: other.id })).toMatchObject({
      allowSelfApproval: false,
    });
  });

  test("are refused when they say nothing or null", async () => {
    const ctx = operationOf(database.orm, tenant);
    await expect(updateTenantSettings(ctx, {})).rejects.toThrow(ValidationFailure);
    await expect(updateTenantSettings(ctx, { allowSelfApproval: null })).rejects.toMatchObject({
      issues: [{ path: "$.allowSelfApproval" }],
    });
  });
});
