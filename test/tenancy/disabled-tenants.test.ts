import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../../src/core/failures.ts";
import { globalId } from "../../src/core/global-id.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { type Execute, executePrepared } from "../../src/database/statement.ts";
import { DisabledTenants, isTenantDisabled } from "../../src/tenancy/disabled-tenants.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { type SetTenantEnabledInput, setTenantEnabled } from "../../src/tenancy/set-tenant-enabled.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { allEnabled, makeTenant, operationOf } from "./tenancy-fixtures.ts";

let database: TestDatabase;
let host: Tenant;
let number = 0;
const em = () => database.orm.em.fork();
const execute: Execute = (...asked) => executePrepared(database.orm, "")(...asked);
beforeAll(async () => {
  database = await createTestDatabase();
  host = await makeTenant(database.orm, "default");
});
afterAll(() => database.close());

const set = (input: SetTenantEnabledInput) =>
  setTenantEnabled(operationOf(database.orm, host), { em, tenants: allEnabled }, input);
const customer = () => makeTenant(database.orm, `customer ${++number}`);

interface Entry {
  readonly tenant_id: string;
  readonly actor_kind: string;
  readonly actor_name: string;
  readonly detail: object;
}
const entriesOf = ({ id }: Tenant) =>
  em().execute<Entry[]>(
    "select tenant_id, actor_kind, actor_name, detail from audit_entry where subject = ? order by id",
    [`tenant:${id}`],
  );

describe("disabling a tenant", () => {
  test("says since when and why, until it is enabled again", async () => {
    const tenant = await customer();
    expect(await set({ tenant: tenant.name, enabled: false, reason: "Not paid." })).toMatchObject({
      ...{ id: tenant.id, name: tenant.name, disabledAt: expect.any(Date), disabledReason: "Not paid." },
    });
    expect(await isTenantDisabled(em(), tenant.id)).toBe(true);
    expect(await isTenantDisabled(em(), host.id)).toBe(false);
    expect(await set({ tenant: tenant.name, enabled: true })).toMatchObject({ disabledAt: null, disabledReason: null });
    expect(await isTenantDisabled(em(), tenant.id)).toBe(false);
  });

  test("finds it by its name, its id and its opaque id", async () => {
    const { id, name } = await customer();
    for (const tenant of [id, globalId("Tenant", id), name]) {
      expect((await set({ tenant, enabled: false })).disabledAt).toBeInstanceOf(Date);
      expect((await set({ tenant, enabled: true })).disabledAt).toBeNull();
    }
  });

  test("again changes nothing: the first instant and its reason stay, and it is in the trail once", async () => {
    const tenant = await customer();
    const first = await set({ tenant: tenant.name, enabled: false, reason: "First." });
    const again = await set({ tenant: tenant.name, enabled: false, reason: "Second." });
    expect(again).toMatchObject({ disabledAt: first.disabledAt, disabledReason: "First." });
    expect(await entriesOf(tenant)).toHaveLength(2);
    await Promise.all([0, 1, 2].map(() => set({ tenant: tenant.name, enabled: true })));
    expect(await entriesOf(tenant)).toHaveLength(4);
  });

  test("is in the trail of who did it with the reason, and in the tenant's own without it or who it was", async () => {
    const tenant = await customer();
    await set({ tenant: tenant.name, enabled: false, reason: "An insider." });
    const [theirs, ours] = (await entriesOf(tenant)).toSorted((a) => (a.tenant_id === tenant.id ? -1 : 1));
    expect(ours).toEqual({
      ...{ tenant_id: host.id, actor_kind: "TOKEN", actor_name: "test" },
      detail: { name: tenant.name, enabled: false, reason: "An insider." },
    });
    expect(theirs).toEqual({
      ...{ tenant_id: tenant.id, actor_kind: "SYSTEM", actor_name: "who operates the server" },
      detail: { enabled: false },
    });
  });

  test("is refused for one's own tenant, for one that is not there, and with a reason that can't be kept", async () => {
    for (const tenant of [host.name, host.id, globalId("Tenant", host.id)]) {
      const own = set({ tenant, enabled: false });
      await expect(own).rejects.toThrow(StateFailure);
      await expect(own).rejects.toMatchObject({ code: "own_tenant" });
    }
    expect((await set({ tenant: host.name, enabled: true })).disabledAt).toBeNull();
    for (const tenant of [newId(), globalId("Tenant", newId()), globalId("Run", host.id), "", "nobody", "a\u0000b"]) {
      await expect(set({ tenant, enabled: false })).rejects.toThrow(NotFoundFailure);
    }
    const { name } = await customer();
    for (const reason of ["a\u0000b", "x".repeat(limits.textLengthMax + 1)]) {
      await expect(set({ tenant: name, enabled: false, reason })).rejects.toThrow(ValidationFailure);
    }
  });

  test("is what a reason belongs to: the database keeps none without", async () => {
    const { id } = await customer();
    await expect(em().execute("update tenant set disabled_reason = 'x' where id = ?", [id])).rejects.toThrow(
      "tenant_reason_only_while_disabled",
    );
  });
});

describe("what a node knows of disabled tenants", () => {
  test("is what was committed before it was asked to read them again, however many ask", async () => {
    const tenant = await customer();
    let reads = 0;
    const counted: Execute = (...asked) => {
      reads += 1;
      return execute(...asked);
    };
    const known = new DisabledTenants({ execute: counted, log: silentLog });
    const told: boolean[] = [];
    await known.renew();
    known.onDisabled(() => told.push(known.isDisabled(tenant.id)));
    expect(known.isDisabled(tenant.id)).toBe(false);
    await set({ tenant: tenant.name, enabled: false });
    expect(known.isDisabled(tenant.id)).toBe(false);
    const before = reads;
    await Promise.all(Array.from({ length: 100 }, () => known.renew()));
    expect(known.isDisabled(tenant.id)).toBe(true);
    expect(reads - before).toBe(1);
    await known.renew();
    expect(told).toEqual([true]);
    await set({ tenant: tenant.name, enabled: true });
    await known.renew();
    expect(known.isDisabled(tenant.id)).toBe(false);
    expect(told).toEqual([true]);
  });

  test("includes what is committed while a read is under way, once it was asked for", async () => {
    const tenant = await customer();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    let isHeld = true;
    const slow: Execute = async <Row>(...asked: Parameters<Execute>) => {
      const rows = await execute<Row>(...asked);
      if (isHeld) await held;
      return rows;
    };
    const known = new DisabledTenants({ execute: slow, log: silentLog });
    const first = known.renew();
    await expect.poll(() => isHeld).toBe(true);
    await set({ tenant: tenant.name, enabled: false });
    const second = known.renew();
    isHeld = false;
    release();
    await Promise.all([first, second]);
    expect(known.isDisabled(tenant.id)).toBe(true);
  });

  test("is not believed before it was read, nor while it can't be", async () => {
    let isAway = true;
    const sometimes: Execute = async (...asked) => {
      if (isAway) throw new Error("The database is away.");
      return execute(...asked);
    };
    const known = new DisabledTenants({ execute: sometimes, log: silentLog });
    await expect(known.start()).rejects.toThrow("The database is away.");
    await expect(known.believable()).rejects.toThrow("The database is away.");
    isAway = false;
    await known.believable();
    expect(known.believable()).toBeUndefined();
  });

  test("is read again and again without anybody asking", async () => {
    const tenant = await customer();
    const known = new DisabledTenants({ execute, log: silentLog });
    await known.start();
    await set({ tenant: tenant.name, enabled: false });
    await expect.poll(() => known.isDisabled(tenant.id), { timeout: 20_000 }).toBe(true);
    await known.stop();
  });
});
