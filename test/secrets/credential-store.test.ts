import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NotFoundFailure, ValidationFailure } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import { clientConfig } from "../../src/database/address.ts";
import { executePrepared } from "../../src/database/statement.ts";
import { createReadSecrets, type ReadSecrets } from "../../src/secrets/credential-store.ts";
import { deleteSecret } from "../../src/secrets/delete-secret.ts";
import { Secret } from "../../src/secrets/entities.ts";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { putSecret } from "../../src/secrets/put-secret.ts";
import { createSealer, type Sealer } from "../../src/secrets/seal.ts";
import { deleteVariable, putVariable, readVariables } from "../../src/secrets/variables.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, movableClock, operationOf } from "../tenancy/tenancy-fixtures.ts";

let database: TestDatabase;
let sealer: Sealer;
let readSecrets: ReadSecrets;
let mine: Tenant;
let theirs: Tenant;
const clock = movableClock();
const put = (tenant: Tenant, name: string, value: string) =>
  putSecret(operationOf(database.orm, tenant), sealer, { name, value });
const read = async (tenant: Tenant, ...names: string[]) => Object.fromEntries(await readSecrets(tenant.id, names));
const row = (tenant: Tenant, name: string) =>
  database.orm.em.fork().findOneOrFail(Secret, { tenantId: tenant.id, name });

beforeAll(async () => {
  database = await createTestDatabase();
  const secretsKey = randomBytes(32).toString("base64");
  sealer = createSealer(await openKeyRing({ secretsKey, dataDirectory: "/nonexistent" }));
  readSecrets = createReadSecrets({ execute: (tenantId) => executePrepared(database.orm, tenantId), sealer, clock });
  mine = await makeTenant(database.orm, "mine");
  theirs = await makeTenant(database.orm, "theirs");
});
afterAll(() => database.close());

describe("the credential store", () => {
  test("opens what was put, for the tenant that put it", async () => {
    await put(mine, "edr-token", "mine-1");
    await put(theirs, "edr-token", "theirs-1");
    await put(theirs, "only-theirs", "theirs-2");
    expect(await read(mine, "edr-token", "only-theirs", "never-put")).toEqual({ "edr-token": "mine-1" });
    expect(await read(mine)).toEqual({});
  });

  test("keeps values encrypted", async () => {
    await put(mine, "canary", "canary-value-4711");
    const { rows } = await query("select string_agg(to_jsonb(s)::text, ' ') as text from secret s");
    const text = String(rows[0]?.text);
    expect(text).toContain("canary");
    for (const form of [
      "canary-value-4711",
      btoa("canary-value-4711"),
      Buffer.from("canary-value-4711").toString("hex"),
    ]) {
      expect(text).not.toContain(form);
    }
  });

  test("replaces a value in the row it has", async () => {
    const first = await put(mine, "replaced", "one");
    const second = await put(mine, "replaced", "two");
    expect(await read(mine, "replaced")).toEqual({ replaced: "two" });
    expect(second.id).toBe(first.id);
    expect(second.createdAt).toEqual(first.createdAt);
    expect(second.updatedAt.getTime()).toBeGreaterThan(first.updatedAt.getTime());
    expect(second.keyId).toBe(sealer.keyId);
  });

  test("keeps one row when one name is put many times at once", async () => {
    const values = Array.from({ length: 8 }, (_, index) => `raced-${index}`);
    await Promise.all(values.map((value) => put(mine, "raced", value)));
    expect(values).toContain((await read(mine, "raced"))["raced"]);
  });

  test("does not open a value that was copied to another tenant's row or another name", async () => {
    await put(theirs, "prize", "their-prize");
    await put(mine, "prize", "my-prize");
    await put(mine, "decoy", "decoy");
    const { sealed } = await row(theirs, "prize");
    await query("update secret set sealed = $1 where tenant_id = $2 and name = 'prize'", [sealed, mine.id]);
    await query(
      "update secret set sealed = (select sealed from secret where tenant_id = $1 and name = 'edr-token') where tenant_id = $1 and name = 'decoy'",
      [mine.id],
    );
    await expect(read(mine, "prize")).rejects.toMatchObject({ code: "secret_unreadable" });
    await expect(read(mine, "decoy")).rejects.toMatchObject({ code: "secret_unreadable" });
  });

  test("notes the last use to the minute", async () => {
    await put(mine, "used", "value");
    expect((await row(mine, "used")).lastUsedAt).toBeNull();
    const first = clock.now();
    await read(mine, "used");
    expect((await row(mine, "used")).lastUsedAt).toEqual(first);
    clock.move(limits.lastUsedStepMs);
    await read(mine, "used");
    expect((await row(mine, "used")).lastUsedAt).toEqual(first);
    clock.move(1);
    await read(mine, "used");
    expect((await row(mine, "used")).lastUsedAt).toEqual(clock.now());
    expect((await put(mine, "used", "another")).lastUsedAt).toEqual(clock.now());
  });

  test("refuses an input with every problem at once and quotes none of it", async () => {
    const long = "s3cr3t".repeat(limits.secretBytesMax);
    const refused = await put(mine, "my password is s3cr3t", `${long}\ud800`).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ValidationFailure);
    expect((refused as ValidationFailure).issues.map(({ code }) => code)).toEqual([
      "invalid_name",
      "too_long",
      "invalid_text",
    ]);
    expect(JSON.stringify(refused) + String((refused as Error).stack)).not.toContain("s3cr3t");
    for (const name of ["", "a b", "ü", "x".repeat(129), "a\u0000"])
      await expect(put(mine, name, "v")).rejects.toThrow(ValidationFailure);
    await expect(put(mine, "empty", "")).rejects.toMatchObject({ issues: [{ path: "$.value", code: "empty" }] });
    await put(mine, `${"x".repeat(126)}.-`, "v".repeat(limits.secretBytesMax));
  });

  test("deletes only the caller's own", async () => {
    await put(mine, "deleted", "mine");
    await put(theirs, "deleted", "theirs");
    const remove = (name: string) => deleteSecret(operationOf(database.orm, mine), name);
    await remove("deleted");
    expect([await read(mine, "deleted"), await read(theirs, "deleted")]).toEqual([{}, { deleted: "theirs" }]);
    for (const name of ["deleted", "only-theirs", "no name", "\u0000"])
      await expect(remove(name)).rejects.toThrow(NotFoundFailure);
  });
});

describe("variables", () => {
  test("are set, replaced, read and taken away within one tenant", async () => {
    const ctx = () => operationOf(database.orm, mine);
    await putVariable(operationOf(database.orm, theirs), { name: "region", value: "theirs" });
    const first = await putVariable(ctx(), { name: "region", value: "eu" });
    await putVariable(ctx(), { name: "__proto__", value: "harmless" });
    await putVariable(ctx(), { name: "empty", value: "" });
    expect((await putVariable(ctx(), { name: "region", value: "us" })).id).toBe(first.id);
    const variables = await readVariables(database.orm.em, mine.id);
    expect(Object.entries(variables)).toEqual([
      ["__proto__", "harmless"],
      ["empty", ""],
      ["region", "us"],
    ]);
    await deleteVariable(ctx(), "region");
    await expect(deleteVariable(ctx(), "region")).rejects.toThrow(NotFoundFailure);
    expect(Object.keys(await readVariables(database.orm.em, mine.id))).not.toContain("region");
    expect(await readVariables(database.orm.em, theirs.id)).toEqual({ region: "theirs" });
  });

  test("are refused with every problem at once", async () => {
    const value = `${"v".repeat(limits.variableBytesMax)}\u0000`;
    const refused = putVariable(operationOf(database.orm, mine), { name: "a b", value });
    await expect(refused).rejects.toMatchObject({
      issues: [{ code: "invalid_name" }, { code: "too_long" }, { code: "invalid_text" }],
    });
  });

  test("have an end", async () => {
    const tenant = await makeTenant(database.orm, "full");
    await query(
      "insert into variable (id, tenant_id, created_at, updated_at, name, value) select gen_random_uuid(), $1, now(), now(), 'v' || n, '' from generate_series(1, $2) n",
      [tenant.id, limits.variablesPerTenantMax],
    );
    const ctx = () => operationOf(database.orm, tenant);
    await putVariable(ctx(), { name: "v1", value: "changed" });
    await expect(putVariable(ctx(), { name: "one-more", value: "" })).rejects.toMatchObject({
      issues: [{ code: "too_many" }],
    });
  });
});

describe("a change of secrets or variables", () => {
  test("tells every node once it is committed, and only then", async () => {
    const client = new pg.Client(clientConfig(database.address));
    await client.connect();
    const heard: (string | undefined)[] = [];
    client.on("notification", ({ payload }) => heard.push(payload));
    await client.query("listen riposte_catalogue");
    const ctx = () => operationOf(database.orm, mine);
    await expect(put(mine, "no name", "x")).rejects.toThrow(ValidationFailure);
    await expect(deleteVariable(ctx(), "never-put")).rejects.toThrow(NotFoundFailure);
    await put(mine, "told", "x");
    await putVariable(ctx(), { name: "told", value: "x" });
    await deleteSecret(ctx(), "told");
    await deleteVariable(ctx(), "told");
    await expect.poll(() => heard).toEqual(Array(4).fill(mine.id));
    await client.end();
  });
});

async function query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client(clientConfig(database.address));
  await client.connect();
  try {
    return await client.query(text, values);
  } finally {
    await client.end();
  }
}
