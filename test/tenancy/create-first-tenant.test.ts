import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Orm, openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import { hashToken } from "../../src/tenancy/api-token.ts";
import { createFirstTenant } from "../../src/tenancy/create-first-tenant.ts";
import { ApiToken, Tenant } from "../../src/tenancy/entities.ts";
import { revokeApiToken } from "../../src/tenancy/revoke-api-token.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, makeToken, movableClock, operationOf } from "./tenancy-fixtures.ts";

let database: TestDatabase;
const clock = movableClock();
const start = (adminToken?: string) => createFirstTenant({ em: database.orm.em, clock, adminToken });
const tokens = () => database.orm.em.fork().find(ApiToken, {}, { orderBy: { id: "asc" } });
const isValid = async (text: string) =>
  (await database.orm.em.fork().count(ApiToken, { hash: hashToken(text), revokedAt: null })) === 1;

/** How many connections wait for an advisory lock in this database. */
async function waitingForLock({ em }: Orm): Promise<number> {
  const rows = await em
    .fork()
    .execute<{ pid: number }[]>(
      "select pid from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())",
    );
  return rows.length;
}

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

describe("the first tenant", () => {
  test("is made with an admin's token that is told once", async () => {
    const first = await start();
    expect(first.generatedToken).toMatch(/^rip_[A-Za-z0-9_-]{43}$/);
    expect(await tokens()).toMatchObject([
      { tenantId: first.tenantId, roles: ["admin"], hash: hashToken(first.generatedToken ?? "") },
    ]);
    expect(await start()).toEqual({ ...first, generatedToken: undefined });
    expect(await tokens()).toHaveLength(1);
  });

  test("is made once when three nodes start at once", async () => {
    const nodes = await Promise.all([0, 1, 2].map(() => openOrm(database.address, entities)));
    try {
      const answers = await Promise.all(nodes.map(({ em }) => createFirstTenant({ em, clock, adminToken: undefined })));
      expect(new Set(answers.map(({ tenantId }) => tenantId)).size).toBe(1);
      expect(answers.filter(({ generatedToken }) => generatedToken !== undefined)).toHaveLength(1);
      expect(await database.orm.em.fork().count(Tenant)).toBe(1);
      expect(await tokens()).toHaveLength(1);
    } finally {
      await Promise.all(nodes.map((node) => node.close(true)));
    }
  });

  test("is not there, nor its token, until the token has been shown", async () => {
    const shown: string[] = [];
    const show = async (text: string) => {
      shown.push(text);
      expect(await isValid(text)).toBe(false);
    };
    const failing = createFirstTenant({
      ...{ em: database.orm.em, clock, adminToken: undefined },
      show: async (text) => {
        await show(text);
        throw new Error("Nobody reads it.");
      },
    });
    await expect(failing).rejects.toThrow("Nobody reads it.");
    expect(await database.orm.em.fork().count(Tenant)).toBe(0);

    const second = await createFirstTenant({ em: database.orm.em, clock, adminToken: undefined, show });
    expect(shown).toEqual([expect.any(String), second.generatedToken]);
    expect([await isValid(shown[0] ?? ""), await isValid(shown[1] ?? "")]).toEqual([false, true]);
    await createFirstTenant({ em: database.orm.em, clock, adminToken: undefined, show });
    expect(shown).toHaveLength(2);
  });

  test("is made by another node when the first one fails while it shows the token", async () => {
    const other = await openOrm(database.address, entities);
    try {
      let second: ReturnType<typeof createFirstTenant> | undefined;
      const first = createFirstTenant({
        ...{ em: database.orm.em, clock, adminToken: undefined },
        show: async () => {
          second = createFirstTenant({ em: other.em, clock, adminToken: undefined });
          await expect.poll(() => waitingForLock(database.orm)).toBe(1);
          throw new Error("This node is going down.");
        },
      });
      await expect(first).rejects.toThrow("This node is going down.");
      expect(await isValid((await second)?.generatedToken ?? "")).toBe(true);
    } finally {
      await other.close(true);
    }
  });

  test("takes the configured token instead of a generated one", async () => {
    const first = await start("configured-token-1");
    expect(first).toMatchObject({ generatedToken: undefined, isConfiguredTokenRevoked: false });
    expect(await isValid("configured-token-1")).toBe(true);
    await start("configured-token-1");
    expect(await tokens()).toHaveLength(1);
  });

  test("takes a configured token later too, and leaves other tokens as they are", async () => {
    const { generatedToken } = await start();
    await start("configured-token-1");
    expect(await isValid("configured-token-1")).toBe(true);
    expect(await isValid(generatedToken ?? "")).toBe(true);
    await start();
    expect(await isValid("configured-token-1")).toBe(true);
  });

  test("replaces the configured token by another, and takes the old one back when it is set again", async () => {
    await start("configured-token-1");
    await start("configured-token-2");
    expect([await isValid("configured-token-1"), await isValid("configured-token-2")]).toEqual([false, true]);
    await start("configured-token-1");
    expect([await isValid("configured-token-1"), await isValid("configured-token-2")]).toEqual([true, false]);
  });

  test("does not bring back a configured token that somebody revoked", async () => {
    await start("configured-token-1");
    const [tenant] = await database.orm.em.fork().find(Tenant, {});
    const [token] = await tokens();
    await revokeApiToken(operationOf(database.orm, tenant as Tenant), clock, token?.id ?? "");
    expect(await start("configured-token-1")).toMatchObject({ isConfiguredTokenRevoked: true });
    expect(await isValid("configured-token-1")).toBe(false);
    await start("configured-token-2");
    expect(await isValid("configured-token-2")).toBe(true);
    expect(await start("configured-token-1")).toMatchObject({ isConfiguredTokenRevoked: true });
    expect(await isValid("configured-token-2")).toBe(true);
  });

  test("accepts as configured token the generated one", async () => {
    const { generatedToken } = await start();
    expect(await start(generatedToken)).toMatchObject({ isConfiguredTokenRevoked: false });
    expect(await tokens()).toHaveLength(1);
  });

  test("refuses as configured token one of another tenant, one of no admin, and what no header can carry", async () => {
    const { tenantId } = await start();
    const stranger = await makeToken(database.orm, await makeTenant(database.orm, "customer"));
    const host = await database.orm.em.fork().findOneOrFail(Tenant, { id: tenantId });
    const viewer = await makeToken(database.orm, host, { roles: ["viewer"] });
    for (const text of [stranger.text, viewer.text])
      await expect(start(text)).rejects.toThrow("no admin's of the first tenant");
    for (const text of ["", "with a blank", "späti-token-0000", "line\nbreak"])
      await expect(start(text)).rejects.toThrow("visible ASCII");
  });
});
