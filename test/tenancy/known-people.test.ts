import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { Log } from "../../src/core/log.ts";
import { type ApiToken, Person, type Tenant } from "../../src/tenancy/entities.ts";
import { personId } from "../../src/tenancy/jwt-claims.ts";
import { createKnownPeople } from "../../src/tenancy/known-people.ts";
import { objectionTo } from "../../src/tenancy/requester-objection.ts";
import { revokePersonTokens } from "../../src/tenancy/revoke-person-tokens.ts";
import { countingForks } from "../support/counting-forks.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, makeToken, operationOf } from "./tenancy-fixtures.ts";

const issuer = "https://sso.example";
const provider = { issuer, tenant: { claim: "tenant" }, clockToleranceSeconds: 5 };
const id = personId(issuer, "alice");

let database: TestDatabase;
let tenant: Tenant;
const logged: unknown[] = [];
const log = { warn: (...parts: unknown[]) => void logged.push(parts) } as unknown as Log;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  tenant = await makeTenant(database.orm, `tenant ${newId()}`);
});

const now = () => Math.floor(Date.now() / 1_000);
const people = () => createKnownPeople({ em: database.orm.em, log });
const jwt = (seconds: number, roles: readonly string[], who = id) => {
  const issuedAt = new Date(seconds * 1_000);
  return { id: who, roles, issuedAt, rankedAt: issuedAt };
};
const note = (...parameters: Parameters<typeof jwt>) => people().note(tenant.id, jwt(...parameters));
const read = () => database.orm.em.fork().findOneOrFail(Person, { id, tenantId: tenant.id });
const revoke = (subject = "alice") =>
  revokePersonTokens(operationOf(database.orm, tenant), [provider], { issuer, subject });

describe("what is kept of a person", () => {
  test("are the roles of the latest of their JWTs, whichever comes last", async () => {
    await note(100, ["operator"]);
    await note(300, ["viewer"]);
    await note(200, ["admin"]);
    expect(await read()).toMatchObject({ roles: ["viewer"], issuedAt: new Date(300_000) });
    await note(301, ["operator", "viewer"]);
    expect((await read()).roles).toEqual(["operator", "viewer"]);
  });

  test("are the latest also where many nodes write at once, the oldest last", async () => {
    const seconds = Array.from({ length: 20 }, (_, n) => 200 - n);
    await Promise.all(seconds.map((each) => note(each, [`at-${each}`])));
    expect((await read()).roles).toEqual(["at-200"]);
  });

  test("is what both give of two that were issued at the same instant", async () => {
    for (const roles of [
      ["operator", "viewer"],
      ["security_lead", "viewer"],
      ["operator", "viewer"],
    ]) {
      await note(100, roles);
    }
    expect((await read()).roles).toEqual(["viewer"]);
  });

  test("is theirs in each tenant by itself, and nobody else's", async () => {
    const other = await makeTenant(database.orm, `tenant ${newId()}`);
    await Promise.all([note(100, ["viewer"]), people().note(other.id, jwt(200, ["admin"]))]);
    await note(300, ["admin"], personId("https://other.example", "alice"));
    expect(await read()).toMatchObject({ roles: ["viewer"], issuedAt: new Date(100_000) });
  });

  test("costs one statement for a JWT that tells nothing new, and one for all who are asked about at once", async () => {
    await note(100, ["viewer"]);
    const known = people();
    const notes = () => Promise.all(Array.from({ length: 20 }, () => known.note(tenant.id, jwt(100, ["viewer"]))));
    const { forkCount } = await countingForks(database.orm.em, notes);
    expect(forkCount).toBe(1);
  });

  test("is forgotten of who has not come for longest, where there are too many, and never of the revoked", async () => {
    const sql = `insert into person (id, tenant_id, roles, issued_at, revoked_at, revoked_before)
      select gen_random_uuid(), ?, '{}', to_timestamp(n), case when n <= 2 then now() end, case when n <= 2 then now() end
      from generate_series(1, ?) as n`;
    await database.orm.em.fork().execute(sql, [tenant.id, limits.peoplePerTenantMax + 2]);
    await note(now(), ["viewer"]);
    const left =
      "select count(*)::int as count, min(extract(epoch from issued_at))::int as first from person where tenant_id = ?";
    const rows = (where = "") => database.orm.em.fork().execute(`${left} ${where}`, [tenant.id]);
    expect(await rows("and revoked_at is null")).toEqual([{ count: limits.peoplePerTenantMax, first: 4 }]);
    expect(await rows("and revoked_at is not null")).toEqual([{ count: 2, first: 1 }]);
    expect((await read()).roles).toEqual(["viewer"]);
  });

  test("refuses nobody where it can't be written, and is tried again", async () => {
    logged.length = 0;
    const em = database.orm.em.fork();
    await em.execute("alter table person add constraint person_for_a_moment check (tenant_id is null) not valid");
    await note(100, ["viewer"]);
    await em.execute("alter table person drop constraint person_for_a_moment");
    expect(logged).toEqual([
      [{ personId: id, message: expect.stringContaining("person_for_a_moment") }, "person.not_written"],
    ]);
    await note(100, ["viewer"]);
    expect((await read()).roles).toEqual(["viewer"]);
  });
});

describe("the JWTs of a person who was revoked", () => {
  test("are refused where they were issued by then, or right after, or do not say when; later ones are not", async () => {
    await note(now(), ["operator"]);
    const { revokedAt, lastIssuedAt } = await revoke();
    expect(lastIssuedAt?.getTime()).toBeLessThanOrEqual(revokedAt.getTime());
    const at = revokedAt.getTime() / 1_000;
    for (const seconds of [at - 100, at, at + provider.clockToleranceSeconds]) {
      await expect(note(seconds, ["operator"])).rejects.toThrow("revoked");
    }
    const silent = { id, roles: ["operator"], issuedAt: undefined, rankedAt: new Date((at + 100) * 1_000) };
    await expect(people().note(tenant.id, silent)).rejects.toThrow("revoked");
    expect((await read()).roles).toEqual([]);
    await note(at + provider.clockToleranceSeconds + 1, ["viewer"]);
    expect((await read()).roles).toEqual(["viewer"]);
  });

  test("are refused up to the latest that came, however fast its issuer's clock goes", async () => {
    const ahead = now() + 1_000;
    await note(ahead, ["operator"]);
    await revoke();
    await expect(note(ahead, ["operator"])).rejects.toThrow("revoked");
    await note(ahead + 1, ["operator"]);
  });

  test("bring no role back by a write that was under way", async () => {
    const known = people();
    const { em } = database.orm;
    const fork = em.fork.bind(em);
    // Read before the revocation, and written after it.
    em.fork = ((...parameters: Parameters<typeof fork>) => {
      const forked = fork(...parameters);
      const execute = forked.execute.bind(forked) as (...all: unknown[]) => Promise<unknown>;
      forked.execute = (async (...all: unknown[]) => {
        em.fork = fork;
        await revoke();
        return execute(...all);
      }) as typeof forked.execute;
      return forked;
    }) as typeof em.fork;
    await known.note(tenant.id, jwt(now(), ["operator"]));
    expect((await read()).roles).toEqual([]);
  });
});

describe("who asked for what waits", () => {
  const permission = "run:execute";
  const objection = (askedAt?: Date, requesterId: string | null = id) =>
    objectionTo(database.orm.em.fork(), { tenantId: tenant.id, requesterId, permission, askedAt: async () => askedAt });

  test("is objected to while the roles of their latest JWT do not allow it", async () => {
    await note(100, ["operator"]);
    expect(await objection()).toBeUndefined();
    await note(200, ["viewer", "security_lead"]);
    expect(await objection()).toBe("requester_lost_role");
    await note(300, ["admin"]);
    expect(await objection()).toBeUndefined();
  });

  test("is objected to for good for what they asked before they were revoked, not for what they ask with a later JWT", async () => {
    await note(100, ["operator"]);
    const { revokedAt } = await revoke();
    const later = (ms: number) => new Date(revokedAt.getTime() + ms);
    await note(now() + 60, ["operator"]);
    for (const askedAt of [undefined, later(-1_000), later(limits.revocationHeardMs - 10)]) {
      expect(await objection(askedAt)).toBe("requester_revoked");
    }
    expect(await objection(later(limits.revocationHeardMs + 10))).toBeUndefined();
  });

  test("is nobody to object to where nothing is known of them", async () => {
    const { row }: { row: ApiToken } = await makeToken(database.orm, tenant);
    for (const requesterId of [null, newId(), row.id, personId(issuer, "nobody")]) {
      expect(await objection(new Date(), requesterId)).toBeUndefined();
    }
  });
});

describe("revoking", () => {
  test("says whether the person has ever come, and may be done before they do", async () => {
    expect((await revoke()).lastIssuedAt).toBeUndefined();
    await expect(note(now(), ["operator"])).rejects.toThrow("revoked");
    await note(now() + 60, ["operator"]);
    expect((await revoke()).lastIssuedAt).toBeInstanceOf(Date);
    await expect(note(now() + 60, ["operator"])).rejects.toThrow("revoked");
  });

  test("is bounded, and may be done again to who was revoked before", async () => {
    await revoke("bob");
    const sql = `insert into person (id, tenant_id, roles, revoked_at, revoked_before)
      select gen_random_uuid(), ?, '{}', now(), now() from generate_series(2, ?)`;
    await database.orm.em.fork().execute(sql, [tenant.id, limits.peoplePerTenantMax]);
    await expect(revoke()).rejects.toMatchObject({ code: "too_many_people" });
    await revoke("bob");
  });

  test("needs a provider that speaks for the tenant, and a subject", async () => {
    const others = [{ ...provider, tenant: { name: "another" } }];
    const ctx = () => operationOf(database.orm, tenant);
    const input = { issuer, subject: "alice" };
    await expect(revokePersonTokens(ctx(), others, input)).rejects.toMatchObject({ code: "not_found" });
    await expect(revokePersonTokens(ctx(), [], input)).rejects.toMatchObject({ code: "not_found" });
    for (const subject of ["", "x".repeat(256), "a\u0000"]) {
      await expect(revoke(subject)).rejects.toMatchObject({ issues: [{ path: "$.subject" }] });
    }
    for (const name of [tenant.id, tenant.name]) {
      await revokePersonTokens(ctx(), [{ ...provider, tenant: { name } }], input);
    }
  });
});
