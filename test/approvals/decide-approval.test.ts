import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Approver } from "../../src/approvals/approver.ts";
import { type DecideApprovalInput, decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import {
  ForbiddenError,
  NotFoundFailure,
  StateFailure,
  UnauthenticatedError,
  ValidationFailure,
} from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { RunSignal } from "../../src/runs/entities.ts";
import { tellingRuns } from "../../src/runs/tell-decision.ts";
import { ApiToken, Person, Tenant } from "../../src/tenancy/entities.ts";
import { personId } from "../../src/tenancy/jwt-claims.ts";
import { replacedTokenName } from "../../src/tenancy/names.ts";
import type { OperationContext } from "../../src/tenancy/operation-context.ts";
import { revokeApiToken } from "../../src/tenancy/revoke-api-token.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, makeToken, operationOf } from "../tenancy/tenancy-fixtures.ts";
import { insertApproval } from "./approval-fixtures.ts";

let database: TestDatabase;
let tenant: Tenant;
const hinted: string[] = [];
const told: string[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  tenant = await makeTenant(database.orm, `tenant ${newId()}`);
  hinted.length = 0;
  told.length = 0;
});

const ports = () =>
  tellingRuns({
    em: () => database.orm.em.fork(),
    engine: { hint: async (ids) => void hinted.push(...ids) },
    hub: { tellTenant: (id) => void told.push(id) },
    log: silentLog,
  });

function caller(roles: readonly string[] = ["security_lead"], name = "alice", id = newId()): OperationContext {
  return { ...operationOf(database.orm, tenant, roles), actor: { kind: "TOKEN", id, name } };
}

function decide(input: Pick<DecideApprovalInput, "id"> & Partial<DecideApprovalInput>, who = caller()) {
  return decideApproval(who, ports(), { decision: "APPROVE", ...input });
}

const newPersonId = () => personId("https://sso.example", newId());
const ask = (fields: Partial<Approval> = {}) => insertApproval(database.orm, { tenantId: tenant.id, ...fields });
const read = ({ id }: Approval) => database.orm.em.fork().findOneOrFail(Approval, { id });
const signalsTo = ({ runId }: Approval) => database.orm.em.fork().find(RunSignal, { runId: runId ?? "" });

describe("deciding", () => {
  test.each([
    ["APPROVE", "APPROVED"],
    ["REJECT", "REJECTED"],
  ] as const)("by %s is kept with who, when and why, and told to the run", async (decision, status) => {
    const asked = await ask();
    const who = caller();
    const decided = await decide({ id: asked.id, decision, comment: "Seen it." }, who);
    expect(decided).toMatchObject({ status, decidedByName: "alice", decidedByKind: "TOKEN", comment: "Seen it." });
    const kept = await read(asked);
    expect(kept).toMatchObject({ status, decidedById: who.actor.id, decidedAt: decided.decidedAt });
    expect(kept.changedXid).toBeGreaterThan(asked.changedXid as number);
    const body = { approvalId: asked.id, stepId: "ask", status, by: "alice", comment: "Seen it." };
    expect(await signalsTo(asked)).toMatchObject([{ tenantId: tenant.id, type: "APPROVAL", body }]);
    expect([hinted, told]).toEqual([[asked.runId], [tenant.id]]);
  });

  test("wakes a run that sleeps, and no other", async () => {
    const asleep = await sleepingRun();
    const other = await sleepingRun();
    const asked = await ask({ runId: asleep });
    await decide({ id: asked.id });
    const sql = "select id, wake_at <= now() as due from run where tenant_id = ?";
    const rows = await database.orm.em.fork().execute<{ id: string; due: boolean }[]>(sql, [tenant.id]);
    expect(Object.fromEntries(rows.map(({ id, due }) => [id, due]))).toEqual({ [asleep]: true, [other]: false });
  });

  test("is open to who is named, without any role that has permissions", async () => {
    const asked = await ask({ approvers: [{ user: "bob" }] as readonly Approver[] });
    const bob = caller(["free"], "bob");
    expect(bob.permissions.size).toBe(0);
    expect((await decide({ id: asked.id }, bob)).status).toBe("APPROVED");
  });

  test("is refused to everybody else, who is told who may", async () => {
    const asked = await ask({ approvers: [{ role: "ciso" }, { user: "bob" }] });
    const refusal = decide({ id: asked.id }, caller(["admin"], "root"));
    await expect(refusal).rejects.toThrow(ForbiddenError);
    await expect(refusal).rejects.toThrow("role ciso or user bob");
    expect(await read(asked)).toMatchObject({ status: "PENDING", decidedAt: null });
    expect(await signalsTo(asked)).toEqual([]);
  });

  test("is refused to a token that was revoked a moment ago, wherever it is still believed in", async () => {
    const lead = (await makeToken(database.orm, tenant, { roles: ["security_lead"] })).row.id;
    const believed = caller(["security_lead"], "lea", lead);
    const asked = await ask();
    await revokeApiToken(operationOf(database.orm, tenant), { now: () => new Date() }, lead);
    for (const decision of ["APPROVE", "REJECT"] as const) {
      await expect(decide({ id: asked.id, decision }, believed)).rejects.toThrow(UnauthenticatedError);
    }
    expect((await read(asked)).status).toBe("PENDING");
  });

  test("is refused to a person whose JWT was revoked a moment ago, and not to who came with a later one", async () => {
    const [id, revokedAt] = [newPersonId(), new Date()];
    const row = { id, tenantId: tenant.id, roles: [], revokedAt, revokedBefore: revokedAt };
    await database.orm.em.fork().insert(Person, row);
    const believed = { ...caller(), actor: { kind: "MEMBER", id, name: "alice" } as const };
    const asked = await ask();
    for (const tokenIssuedAt of [undefined, revokedAt]) {
      const decided = decide({ id: asked.id }, { ...believed, tokenIssuedAt });
      await expect(decided).rejects.toThrow(UnauthenticatedError);
    }
    const later = { ...believed, tokenIssuedAt: new Date(revokedAt.getTime() + 1) };
    expect((await decide({ id: asked.id }, later)).status).toBe("APPROVED");
  });

  test("lets nothing happen any more for a token that was revoked, but can still say no", async () => {
    const ci = (await makeToken(database.orm, tenant)).row.id;
    const asked = await ask({ requesterId: ci });
    await revokeApiToken(operationOf(database.orm, tenant), { now: () => new Date() }, ci);
    const yes = decide({ id: asked.id });
    await expect(yes).rejects.toThrow(StateFailure);
    await expect(yes).rejects.toMatchObject({ code: "requester_revoked" });
    expect(await read(asked)).toMatchObject({ status: "PENDING", decidedAt: null });
    expect(await signalsTo(asked)).toEqual([]);
    expect((await decide({ id: asked.id, decision: "REJECT" })).status).toBe("REJECTED");
  });

  test("goes on for a token that has expired, and for one that the operator has replaced", async () => {
    const expired = await makeToken(database.orm, tenant, { expiresAt: new Date(0) });
    const replaced = await makeToken(database.orm, tenant, { name: replacedTokenName });
    await database.orm.em.fork().nativeUpdate(ApiToken, { id: replaced.row.id }, { revokedAt: new Date() });
    for (const { row } of [expired, replaced]) {
      const asked = await ask({ requesterId: row.id });
      expect((await decide({ id: asked.id })).status).toBe("APPROVED");
    }
  });

  test("is refused to who asked for it, until the tenant allows that", async () => {
    const me = caller();
    const asked = await ask({ requesterId: me.actor.id as string });
    const refusal = decide({ id: asked.id }, me);
    await expect(refusal).rejects.toThrow(ForbiddenError);
    await expect(refusal).rejects.toThrow("allowSelfApproval");
    await database.orm.em.fork().nativeUpdate(Tenant, { id: tenant.id }, { allowSelfApproval: true });
    expect((await decide({ id: asked.id }, me)).status).toBe("APPROVED");
  });

  test.each([
    ["APPROVED", "approval_approved", "approved by carol at 2026-01-02T03:04:05.000Z"],
    ["REJECTED", "approval_rejected", "rejected by carol at 2026-01-02T03:04:05.000Z"],
    ["EXPIRED", "approval_expired", "in time"],
    ["CLOSED", "approval_closed", "any more"],
  ] as const)("what is %s already is %s", async (status, code, message) => {
    const at = new Date("2026-01-02T03:04:05Z");
    const isDecided = status === "APPROVED" || status === "REJECTED";
    const by = isDecided ? { decidedAt: at, decidedByKind: "TOKEN", decidedByName: "carol" } : {};
    const asked = await ask({ status, ...(by as Partial<Approval>) });
    await expect(decide({ id: asked.id })).rejects.toMatchObject({ constructor: StateFailure, code });
    await expect(decide({ id: asked.id })).rejects.toThrow(message);
    expect(await signalsTo(asked)).toEqual([]);
  });

  test("after the end of its time is refused, by the database's clock", async () => {
    const asked = await ask();
    const sql = "update approval set expires_at = clock_timestamp() - interval '1 ms' where id = ?";
    await database.orm.em.fork().execute(sql, [asked.id]);
    await expect(decide({ id: asked.id })).rejects.toMatchObject({ code: "approval_expired" });
    expect((await read(asked)).status).toBe("PENDING");
  });

  test.each(["", "x", newId()])("the unknown request %j finds nothing", async (id) => {
    await expect(decide({ id })).rejects.toThrow(NotFoundFailure);
  });

  test("another tenant's request finds nothing", async () => {
    const other = await makeTenant(database.orm, `other ${newId()}`);
    const asked = await insertApproval(database.orm, { tenantId: other.id });
    await expect(decide({ id: asked.id })).rejects.toThrow(NotFoundFailure);
    expect((await read(asked)).status).toBe("PENDING");
  });

  test("tells who can neither read nor decide it nothing of what became of it", async () => {
    const asked = await ask({
      status: "APPROVED",
      ...{ decidedAt: new Date(), decidedByKind: "TOKEN", decidedByName: "carol" },
    });
    await expect(decide({ id: asked.id }, caller(["free"]))).rejects.toThrow(ForbiddenError);
    await expect(decide({ id: asked.id }, caller(["viewer"]))).rejects.toThrow(StateFailure);
  });

  test.each(["x".repeat(limits.textLengthMax + 1), "a\u0000b", "a\ud800b"])(
    "with a comment that can't be kept is refused",
    async (comment) => {
      const asked = await ask();
      const refusal = decide({ id: asked.id, comment });
      await expect(refusal).rejects.toThrow(ValidationFailure);
      await expect(refusal).rejects.toMatchObject({ issues: [{ path: "$.comment", code: "invalid_comment" }] });
      expect((await read(asked)).status).toBe("PENDING");
    },
  );
});

async function sleepingRun(): Promise<string> {
  const id = newId();
  await database.orm.em.fork().execute(
    `insert into run (id, tenant_id, created_at, kind, status, playbook_version_id, context, sandbox, dry_run, started_by_kind,
       started_by_name, wake_at)
     values (?, ?, now(), 'PLAYBOOK', 'WAITING', ?, '{}', false, false, 'SYSTEM', 'test', now() + interval '1 hour')`,
    [id, tenant.id, newId()],
  );
  return id;
}
