import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sealEntries } from "../../src/audit/seal-entries.ts";
import { type AuditVerification, verifyAudit } from "../../src/audit/verify-audit.ts";
import { newId } from "../../src/core/ids.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { keyOf, recordSome, sealPorts } from "./chain-world.ts";

let database: TestDatabase;
let tenantId: string;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(() => {
  tenantId = newId();
});

async function sealed(count: number): Promise<void> {
  await recordSome(database.orm.em, tenantId, count);
  await sealEntries(await sealPorts(database), tenantId, "wait");
}

/** What somebody does who can write the tables. */
async function tamper(statement: string): Promise<void> {
  await database.orm.em.fork().execute(statement.replaceAll("$tenant", `'${tenantId}'`));
}

async function verified(): Promise<AuditVerification> {
  return verifyAudit(await sealPorts(database), tenantId);
}

describe("a chain that nobody has touched", () => {
  test("is intact, and counts its entries", async () => {
    await sealed(5);
    expect(await verified()).toEqual({ intact: true, entries: 5, firstBroken: undefined });
  });

  test("is intact beyond its first page, and found broken there", async () => {
    await sealed(600);
    expect(await verified()).toEqual({ intact: true, entries: 600, firstBroken: undefined });
    await tamper("update audit_entry set outcome = 'failed' where tenant_id = $tenant and sequence = 512");
    expect(await verified()).toEqual({ intact: false, entries: 511, firstBroken: 512 });
    await tamper("delete from audit_entry where tenant_id = $tenant and sequence between 257 and 512");
    expect(await verified()).toEqual({ intact: false, entries: 256, firstBroken: 257 });
    await tamper("delete from audit_entry where tenant_id = $tenant and sequence > 256");
    await tamper("delete from audit_chain where tenant_id = $tenant");
    await sealed(3);
    expect(await verified()).toMatchObject({ intact: false, firstBroken: 256 });
  });

  test("is intact before anything was done", async () => {
    expect(await verified()).toEqual({ intact: true, entries: 0, firstBroken: undefined });
  });

  test("holds what was recorded just now: verifying seals it", async () => {
    await recordSome(database.orm.em, tenantId, 3);
    expect(await verified()).toMatchObject({ intact: true, entries: 3 });
  });
});

const broken = (firstBroken: number) => ({ intact: false, firstBroken });

describe("a chain in which somebody", () => {
  test.each([
    ["edited who did it", "actor_name = 'somebody else'"],
    ["edited what was done", "operation = 'getSecret'"],
    ["edited to what", "subject = 'secret:other'"],
    ["took away to what", "subject = null"],
    ["edited the outcome", "outcome = 'failed'"],
    ["edited when, by a microsecond", "at = at + interval '1 microsecond'"],
    ["edited a number of the detail", "detail = jsonb_set(detail, '{number}', '7')"],
    ["took away the detail", "detail = null"],
    ["edited the actor's id", "actor_id = gen_random_uuid()"],
    ["edited the entry's id", "id = gen_random_uuid()"],
    ["edited the hash", "hash = repeat('0', 64)"],
    ["edited the hash before", "previous_hash = repeat('0', 64)"],
    ["gave it to another tenant", "tenant_id = gen_random_uuid()"],
    ["made it unsealed again", "sequence = null, previous_hash = null, hash = null"],
  ])("%s is broken there", async (_what, change) => {
    await sealed(5);
    await tamper(`update audit_entry set ${change} where tenant_id = $tenant and sequence = 3`);
    expect(await verified()).toMatchObject({ ...broken(3), entries: 2 });
  });

  test.each([1, 3, 5])("removed entry %i of 5 is broken there", async (sequence) => {
    await sealed(5);
    await tamper(`delete from audit_entry where tenant_id = $tenant and sequence = ${sequence}`);
    expect(await verified()).toMatchObject({ ...broken(sequence), entries: sequence - 1 });
  });

  test("removed all entries is broken at the first", async () => {
    await sealed(5);
    await tamper("delete from audit_entry where tenant_id = $tenant");
    expect(await verified()).toMatchObject(broken(1));
  });

  test("removed the last is still broken there when others have followed", async () => {
    await sealed(5);
    await tamper("delete from audit_entry where tenant_id = $tenant and sequence = 5");
    await sealed(2);
    expect(await verified()).toMatchObject(broken(5));
  });

  test("swapped two entries is broken at the first of them", async () => {
    await sealed(5);
    await tamper("update audit_entry set sequence = -sequence where tenant_id = $tenant and sequence in (2, 4)");
    await tamper("update audit_entry set sequence = 6 + sequence where tenant_id = $tenant and sequence < 0");
    expect(await verified()).toMatchObject(broken(2));
  });

  const copyAs = (sequence: string) => `
    insert into audit_entry (id, tenant_id, at, actor_kind, actor_id, actor_name, operation, subject, outcome, detail, sequence, previous_hash, hash)
    select gen_random_uuid(), tenant_id, at, actor_kind, actor_id, 'forger', operation, subject, outcome, detail, ${sequence}, hash, repeat('a', 64)
    from audit_entry where tenant_id = $tenant and sequence = 5`;

  test.each([
    ["behind the end", "6", 6],
    ["far behind the end", "70000", 70_000],
    ["before the beginning", "0", 0],
    ["with a number below all", "-3", -3],
    ["with the lowest number there is", "-9223372036854775808", -(2 ** 63)],
    ["with the highest number there is", "9223372036854775807", 2 ** 63],
  ])("inserted an entry %s is broken there", async (_where, sequence, firstBroken) => {
    await sealed(5);
    await tamper(copyAs(sequence));
    expect(await verified()).toMatchObject(broken(firstBroken));
    await recordSome(database.orm.em, tenantId, 2);
    expect((await verified()).intact).toBe(false);
  });

  test("inserted an entry behind the end is broken there when others have followed", async () => {
    await sealed(5);
    await tamper(copyAs("6"));
    await sealed(3);
    expect(await verified()).toMatchObject(broken(6));
  });

  test("inserted an entry in between, and moved the others up, is broken there", async () => {
    await sealed(5);
    await tamper("update audit_entry set sequence = -sequence - 1 where tenant_id = $tenant and sequence > 2");
    await tamper("update audit_entry set sequence = -sequence where tenant_id = $tenant and sequence < 0");
    await tamper(copyAs("3").replace("sequence = 5", "sequence = 2"));
    expect(await verified()).toMatchObject(broken(3));
  });
});

describe("the head of a chain", () => {
  const chainOf = async () =>
    database.orm.em.fork().execute(`select * from audit_chain where tenant_id = '${tenantId}'`) as Promise<object[]>;

  test("that was taken away leaves the end without a voucher", async () => {
    await sealed(4);
    await tamper("delete from audit_chain where tenant_id = $tenant");
    expect(await verified()).toMatchObject(broken(4));
  });

  test("that was taken away is missed for good, whatever follows", async () => {
    await sealed(4);
    await tamper("delete from audit_chain where tenant_id = $tenant");
    await tamper("delete from audit_entry where tenant_id = $tenant and sequence = 4");
    await sealed(2);
    expect(await verified()).toMatchObject(broken(3));
    await sealed(2);
    expect(await verified()).toMatchObject(broken(3));
  });

  test("that is not the server's own is told once, when something is sealed", async () => {
    const told: unknown[] = [];
    const ports = { ...(await sealPorts(database)), onBroken: (...what: unknown[]) => told.push(what) };
    const seal = async () => {
      await recordSome(database.orm.em, tenantId, 2);
      await sealEntries(ports, tenantId, "wait");
    };
    await seal();
    expect(told).toEqual([]);
    await tamper("update audit_chain set hash = repeat('0', 64) where tenant_id = $tenant");
    await seal();
    await seal();
    expect(told).toEqual([[tenantId, 2]]);
    await tamper("delete from audit_entry where tenant_id = $tenant");
    await tamper("delete from audit_chain where tenant_id = $tenant");
    await seal();
    expect(told).toHaveLength(1);
  });

  test("can't be made by somebody without the server's key", async () => {
    await sealed(4);
    const [own] = (await chainOf()) as { sealed: string }[];
    const other = await sealPorts(database, await keyOf("a"));
    const foreign = await other.key.seal(JSON.stringify({ sequence: 4 }), {
      tenantId: newId(),
      purpose: "audit-chain",
    });
    for (const text of [foreign, `${own?.sealed.slice(0, -4)}AAAA`, "", "nonsense"]) {
      await tamper(`update audit_chain set sealed = '${text}' where tenant_id = $tenant`);
      expect(await verified()).toMatchObject(broken(4));
    }
  });

  test("that was set back does not hide what is behind it, nor do its columns", async () => {
    await sealed(2);
    const [before] = (await chainOf()) as { sealed: string; hash: string }[];
    await sealed(2);
    await tamper(`update audit_chain set sequence = 3 where tenant_id = $tenant`);
    expect(await verified()).toMatchObject(broken(4));
    await tamper(
      `update audit_chain set sequence = 2, hash = '${before?.hash}', sealed = '${before?.sealed}' where tenant_id = $tenant`,
    );
    expect(await verified()).toMatchObject(broken(3));
  });

  test("finds a chain that was made anew from the middle on, with hashes that fit each other", async () => {
    await sealed(4);
    const ports = await sealPorts(database, await keyOf("b"));
    await tamper("update audit_entry set sequence = null, hash = null, previous_hash = null where tenant_id = $tenant");
    await tamper("update audit_entry set actor_name = 'forger' where tenant_id = $tenant and subject = 'secret:s-2'");
    const [own] = (await chainOf()) as { sequence: string; hash: string; sealed: string }[];
    await tamper("delete from audit_chain where tenant_id = $tenant");
    await sealEntries(ports, tenantId, "wait");
    await tamper(
      `update audit_chain set sequence = ${own?.sequence}, hash = '${own?.hash}', sealed = '${own?.sealed}' where tenant_id = $tenant`,
    );
    expect(await verified()).toMatchObject(broken(4));
  });

  test("that this server lacks the key of is no break: it says which key is missing", async () => {
    await sealed(2);
    const ports = await sealPorts(database, await keyOf("b"));
    await expect(verifyAudit(ports, tenantId)).rejects.toMatchObject({ code: "secrets_key_missing" });
    await recordSome(database.orm.em, tenantId, 1);
    await expect(verifyAudit(ports, tenantId)).rejects.toMatchObject({ code: "secrets_key_missing" });
    expect(await verified()).toMatchObject({ intact: true, entries: 3 });
  });
});
