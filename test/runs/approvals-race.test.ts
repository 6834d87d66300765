import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import { StateFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { clientConfig } from "../../src/database/address.ts";
import { RunSignal } from "../../src/runs/entities.ts";
import { Expiry } from "../../src/runs/expiry.ts";
import { tellingRuns } from "../../src/runs/tell-decision.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { insertApproval } from "../approvals/approval-fixtures.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, operationOf } from "../tenancy/tenancy-fixtures.ts";

let database: TestDatabase;
let pool: Pool;
let tenant: Tenant;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool({ ...clientConfig(database.address), max: 4 });
  pool.on("error", () => undefined);
  tenant = await makeTenant(database.orm, "tenant");
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const ask = (fields: Partial<Approval> = {}) => insertApproval(database.orm, { tenantId: tenant.id, ...fields });
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

function decide(id: string, name: string, decision: "APPROVE" | "REJECT") {
  const ports = tellingRuns({
    em: () => database.orm.em.fork(),
    engine: { hint: async () => undefined },
    hub: { tellTenant: () => undefined },
    log: silentLog,
  });
  const actor = { kind: "TOKEN", id: newId(), name } as const;
  return decideApproval({ ...operationOf(database.orm, tenant, ["security_lead"]), actor }, ports, { id, decision });
}

/** The request's status, and what its run was told: exactly one thing, and that. */
async function outcomeOf({ id, runId }: Approval): Promise<string> {
  const em = database.orm.em.fork();
  const { status } = await em.findOneOrFail(Approval, { id });
  const signals = await em.find(RunSignal, { runId: runId ?? "" });
  expect(signals.map(({ body }) => (body as { status: string }).status)).toEqual([status]);
  return status;
}

function expiryOf(onExpired: (runIds: readonly string[]) => void, query = pool.query.bind(pool)): Expiry {
  return new Expiry({ pool: { query } as Pick<Pool, "query">, log: silentLog, onExpired });
}

describe("of two people who decide at once", () => {
  test("exactly one does, and the other is told who", async () => {
    const statuses = new Set<string>();
    for (const round of upTo(40)) {
      const asked = await ask();
      const [yes, no] = round % 2 === 0 ? ["alice", "bob"] : ["bob", "alice"];
      const answers = await Promise.allSettled([
        decide(asked.id, yes as string, "APPROVE"),
        decide(asked.id, no as string, "REJECT"),
      ]);
      const refusals = answers.filter((answer) => answer.status === "rejected").map(({ reason }) => reason);
      expect(refusals).toHaveLength(1);
      expect(refusals[0]).toBeInstanceOf(StateFailure);
      const status = await outcomeOf(asked);
      expect(refusals[0].code).toBe(`approval_${status.toLowerCase()}`);
      expect(refusals[0].message).toContain(status === "APPROVED" ? yes : no);
      statuses.add(status);
    }
    expect([...statuses].every((status) => status === "APPROVED" || status === "REJECTED")).toBe(true);
  });
});

describe("of a decision and the end of the time at once", () => {
  const heard = new Set<string>();
  const hear = (runIds: readonly string[]) => {
    for (const id of runIds) heard.add(id);
  };

  async function expireWith(expiry: Expiry, { id, runId }: Approval): Promise<void> {
    expiry.expire(id);
    await until(() => heard.has(runId ?? ""));
  }

  async function checkOne(asked: Approval, answer: PromiseSettledResult<Approval>): Promise<string> {
    const status = await outcomeOf(asked);
    expect(answer.status).toBe(status === "APPROVED" ? "fulfilled" : "rejected");
    if (answer.status === "rejected") expect(answer.reason).toMatchObject({ code: "approval_expired" });
    return status;
  }

  test("exactly one counts, and the run is told that one", async () => {
    const expiry = expiryOf(hear);
    for (const _round of upTo(60)) {
      const asked = await ask();
      const [answer] = await Promise.allSettled([decide(asked.id, "alice", "APPROVE"), expireWith(expiry, asked)]);
      await checkOne(asked, answer);
    }
    await expiry.stop();
  });

  test.each(["APPROVED", "EXPIRED"])("the one that has the row first counts: %s", async (first) => {
    const expiry = expiryOf(hear);
    for (const _round of upTo(10)) {
      const asked = await ask();
      const holder = await pool.connect();
      await holder.query("begin");
      await holder.query("select from approval where id = $1 for update", [asked.id]);
      const begin = {
        APPROVED: () => decide(asked.id, "alice", "APPROVE"),
        EXPIRED: () => expireWith(expiry, asked),
      };
      const waiting = [begin[first as "APPROVED"]()];
      await until(async () => (await waitingBackends()) === 1);
      waiting.push(first === "APPROVED" ? (begin.EXPIRED() as never) : begin.APPROVED());
      await until(async () => (await waitingBackends()) === 2);
      await holder.query("commit");
      holder.release();
      const answers = await Promise.allSettled(waiting);
      expect(await checkOne(asked, answers[first === "APPROVED" ? 0 : 1]!)).toBe(first);
    }
    await expiry.stop();
  });
});

async function waitingBackends(): Promise<number> {
  const sql = `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return (await pool.query<{ n: number }>(sql)).rows[0]?.n ?? 0;
}

describe("the end of the time", () => {
  test("comes to many at once in one statement", async () => {
    let statements = 0;
    const heard: string[] = [];
    const query = (...given: unknown[]) => {
      statements += 1;
      return (pool.query as (...all: unknown[]) => unknown).apply(pool, given);
    };
    const expiry = expiryOf((runIds) => heard.push(...runIds), query as typeof pool.query);
    const asked = await Promise.all(upTo(20).map(() => ask()));
    for (const { id } of asked) expiry.expire(id);
    await until(() => heard.length === 20);
    expect(statements).toBe(1);
    expect(heard.toSorted()).toEqual(asked.map(({ runId }) => runId).toSorted());
    for (const one of asked) expect(await outcomeOf(one)).toBe("EXPIRED");
    await expiry.stop();
  });

  test("changes no request that was closed, and hears of its run all the same", async () => {
    const asked = await ask({ status: "CLOSED" });
    const heard: string[] = [];
    const expiry = expiryOf((runIds) => heard.push(...runIds));
    expiry.expire(asked.id);
    await until(() => heard.length > 0);
    expect(heard).toEqual([asked.runId]);
    const em = database.orm.em.fork();
    expect((await em.findOneOrFail(Approval, { id: asked.id })).status).toBe("CLOSED");
    expect(await em.count(RunSignal, { runId: asked.runId ?? "" })).toBe(0);
    await expiry.stop();
  });

  test("is brought again when the database was away, and given up when the node stops", async () => {
    const asked = await ask();
    let failures = 0;
    const heard: string[] = [];
    const away = (...given: unknown[]) => {
      failures += 1;
      if (failures === 1) return Promise.reject(new Error("The database is away."));
      return (pool.query as (...all: unknown[]) => unknown).apply(pool, given);
    };
    const expiry = expiryOf((runIds) => heard.push(...runIds), away as typeof pool.query);
    expiry.expire(asked.id);
    await until(() => heard.length > 0);
    expect(await outcomeOf(asked)).toBe("EXPIRED");
    await expiry.stop();

    const never = (() => Promise.reject(new Error("The database is away."))) as unknown as typeof pool.query;
    const stopped = expiryOf(() => expect.unreachable(), never);
    stopped.expire((await ask()).id);
    await stopped.stop();
  });
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(2);
}
