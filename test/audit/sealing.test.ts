import type { EntityManager } from "@mikro-orm/postgresql";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AuditSealer } from "../../src/audit/audit-sealer.ts";
import { exportEntries } from "../../src/audit/export-entries.ts";
import { type SealPorts, sealEntries } from "../../src/audit/seal-entries.ts";
import { verifyAudit } from "../../src/audit/verify-audit.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
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

async function sequences(): Promise<number[]> {
  const sql = "select sequence::int as number from audit_entry where tenant_id = ? order by audit_entry.sequence";
  const rows = await database.orm.em.fork().execute<{ number: number }[]>(sql, [tenantId]);
  return rows.map(({ number }) => number);
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe("sealing", () => {
  test("on two nodes at once, while entries are written, makes one chain without a gap", async () => {
    const other = await openOrm(database.address, entities);
    try {
      const nodes = [await sealPorts(database), { em: () => other.em.fork(), key: await keyOf() }];
      let isWriting = true;
      const sealing = nodes.map(async (ports) => {
        while (isWriting) await sealEntries(ports, tenantId, "wait");
      });
      const writing = [database.orm, other, database.orm, other].map(async ({ em }) => {
        for (let round = 0; round < 15; round++) await recordSome(em, tenantId, 5);
      });
      await Promise.all(writing);
      isWriting = false;
      await Promise.all(sealing);
      expect(await verifyAudit(nodes[0]!, tenantId)).toEqual({ intact: true, entries: 300, firstBroken: undefined });
      expect(await sequences()).toEqual(upTo(300));
    } finally {
      await other.close(true);
    }
  });

  test("passes an entry over that is not committed, and gives it the next place once it is", async () => {
    const ports = await sealPorts(database);
    await database.orm.em.fork().transactional(async (em) => {
      const doer = { tenantId, actor: { kind: "TOKEN", name: "slow" } };
      await em.execute(
        "insert into audit_entry (id, tenant_id, at, actor_kind, actor_name, operation, outcome) values (?, ?, now(), ?, ?, 'slow', 'succeeded')",
        [newId(), tenantId, doer.actor.kind, doer.actor.name],
      );
      await recordSome(database.orm.em, tenantId, 2);
      await sealEntries(ports, tenantId, "wait");
      expect(await sequences()).toEqual([1, 2]);
    });
    expect(await verifyAudit(ports, tenantId)).toMatchObject({ intact: true, entries: 3 });
  });

  test("leaves a tenant to the node that is at it, where it is told not to wait", async () => {
    const ports = await sealPorts(database);
    await recordSome(database.orm.em, tenantId, 1);
    await database.orm.em.fork().transactional(async (em) => {
      await em.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`audit_chain ${tenantId}`]);
      expect(await sealEntries(ports, tenantId, "skip")).toBe("left");
    });
    expect(await sealEntries(ports, tenantId, "skip")).toBe("sealed");
  });

  test("is done by loops on two nodes for every tenant, one that can't be sealed or not", async () => {
    const tenants = [newId(), newId(), newId()];
    const ports = await sealPorts(database);
    await recordSome(database.orm.em, tenants[0]!, 1);
    const foreign = await sealPorts(database, await keyOf("b"));
    await sealEntries(foreign, tenants[0]!, "wait");
    for (const tenant of tenants) await recordSome(database.orm.em, tenant, 3);
    const sealers = [1, 2].map(() => new AuditSealer({ ...ports, log: silentLog }));
    for (const sealer of sealers) sealer.start();
    const unsealed = async () => {
      const sql = "select tenant_id as tenant from audit_entry where sequence is null group by tenant_id";
      const rows = await database.orm.em.fork().execute<{ tenant: string }[]>(sql);
      return rows.map(({ tenant }) => tenant);
    };
    await expect.poll(unsealed).toEqual([tenants[0]]);
    await Promise.all(sealers.map((sealer) => sealer.stop()));
    for (const tenant of tenants.slice(1)) {
      expect(await verifyAudit(ports, tenant)).toEqual({ intact: true, entries: 3, firstBroken: undefined });
    }
  });
});

describe("a trail of 10,000 entries", () => {
  /** Ports that note how many rows the database answered at once, at most. */
  function counting(ports: SealPorts): { ports: SealPorts; most: () => number } {
    let most = 0;
    const counted = (em: EntityManager): EntityManager =>
      new Proxy(em, {
        get(target, name) {
          if (name === "execute") {
            return async (...args: Parameters<EntityManager["execute"]>) => {
              const rows = (await target.execute(...args)) as unknown as readonly unknown[];
              most = Math.max(most, rows.length);
              return rows;
            };
          }
          if (name === "transactional") {
            return (work: (inner: EntityManager) => unknown) =>
              target.transactional((inner) => work(counted(inner)) as never);
          }
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    return { ports: { ...ports, em: () => counted(ports.em()) }, most: () => most };
  }

  test("is sealed, verified and exported with a page of it in memory at a time", async () => {
    await database.orm.em.fork().execute(
      `insert into audit_entry (id, tenant_id, at, actor_kind, actor_name, operation, subject, outcome, detail)
      select uuidv7(), ?, clock_timestamp(), 'TOKEN', 'many', 'putVariable', 'variable:' || n, 'succeeded', jsonb_build_object('n', n)
      from generate_series(1, 10000) as n`,
      [tenantId],
    );
    const { ports, most } = counting(await sealPorts(database));
    expect(await verifyAudit(ports, tenantId)).toEqual({ intact: true, entries: 10_000, firstBroken: undefined });
    let [lines, longest] = [0, 0];
    for await (const chunk of exportEntries(ports, tenantId)) {
      const count = chunk.split("\n").length - 1;
      lines += count;
      longest = Math.max(longest, count);
    }
    expect(lines).toBe(10_001);
    expect(longest).toBe(limits.auditPageMax);
    expect(most()).toBeLessThanOrEqual(limits.auditPageMax + 1);
    expect(most()).toBeGreaterThan(1);
  });
});
