import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Approval } from "../../src/approvals/entities.ts";
import { StateFailure, ValidationFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { LiveActionInput } from "../../src/live-actions/accept-request.ts";
import type { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { listPolicies, setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import { Hub } from "../../src/runs/hub.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { dispatchWorld } from "./dispatch-world.ts";
import { capability, type GatedWorld, gatedWorld } from "./gated-world.ts";

const token = "s3cret-t0ken";
const params = { acme_id: "me", acme_token: token };
const minute = 60_000;

let world: GatedWorld;
let tenant: Tenant;
beforeAll(async () => {
  world = await gatedWorld();
  tenant = await world.tenant();
});
afterAll(() => world.database.close());

const em = () => world.database.orm.em.fork();

/** A dispatch that waits for people, with credentials of its own. */
const ask = (of = tenant, input: Partial<LiveActionInput> = {}) =>
  world.dispatch(of, { vendorId: "acme", params, ...input });

/** The time of these is over. */
async function overdue(dispatches: readonly LiveActionDispatch[]): Promise<void> {
  const ids = dispatches.map(({ approvalId }) => approvalId ?? "");
  await em().nativeUpdate(Approval, { id: { $in: ids } }, { expiresAt: new Date(0) });
}

async function endsOf({ target }: LiveActionDispatch): Promise<{ outcome: string; detail: { error: string } }[]> {
  const sql = "select outcome, detail from audit_entry where operation = 'completeLiveAction' and subject = ?";
  return em().execute(sql, [`target:${target}`]);
}

const decide = (dispatch: LiveActionDispatch, decision: "APPROVE" | "REJECT") =>
  world.decide(tenant, dispatch, decision);

describe("a live action that nobody decides about in time", () => {
  test("fails as approval_expired, calls nobody, and forgets its credentials", async () => {
    const before = world.asked.length;
    const waiting = await ask(tenant, { target: newId() });
    expect(waiting.sealedCredentials).toMatch(/^ey/);
    await overdue([waiting]);
    await world.sweep();
    const row = await world.row(waiting.id);
    expect(row).toMatchObject({
      ...{ state: "COMPLETED", status: "FAILED", error: "approval_expired", sealedCredentials: null, cost: 0 },
      summary: "Nobody decided about it until 1970-01-01 00:00 UTC, so nobody was contacted.",
      details: { message: row.summary },
    });
    expect(row.completedAt).not.toBeNull();
    expect(await world.approvalOf(waiting)).toMatchObject({ status: "EXPIRED", decidedAt: null, decidedByKind: null });
    expect(await endsOf(waiting)).toMatchObject([{ outcome: "failed", detail: { error: "approval_expired" } }]);
    expect(world.asked).toHaveLength(before);
  });

  test("is told to the streams of its tenant", async () => {
    const waiting = await ask();
    const hub = new Hub();
    const told: string[] = [];
    hub.onTenant(tenant.id, () => told.push(tenant.id));
    const xids = async () => [(await world.row(waiting.id)).changedXid, (await world.approvalOf(waiting)).changedXid];
    const before = await xids();
    await overdue([waiting]);
    await world.sweep(hub);
    expect(told).not.toEqual([]);
    const after = await xids();
    expect(after.map((xid, index) => xid > before[index]!)).toEqual([true, true]);
  });

  test("waits as long as its time is not over", async () => {
    const waiting = await ask();
    await world.sweep();
    expect(await world.row(waiting.id)).toMatchObject({ state: "AWAITING_APPROVAL" });
    expect(await world.approvalOf(waiting)).toMatchObject({ status: "PENDING" });
  });

  test("ends once, however many nodes look at once, and however many there are", async () => {
    const waiting = await Promise.all(Array.from({ length: 30 }, () => ask(tenant, { target: newId() })));
    await overdue(waiting);
    await Promise.all(Array.from({ length: 4 }, () => world.sweep()));
    for (const dispatch of waiting) {
      expect(await world.row(dispatch.id)).toMatchObject({ error: "approval_expired" });
      expect(await endsOf(dispatch)).toHaveLength(1);
    }
  });

  test("is ended by a node that was not there when it was asked for", async () => {
    const waiting = await ask();
    await overdue([waiting]);
    const other = await dispatchWorld(world.database.orm, []);
    await world.sweep(other.hub);
    expect(await world.row(waiting.id)).toMatchObject({ error: "approval_expired" });
  });

  test("answers a repetition as it ended, and takes no decision any more", async () => {
    const requestId = newId();
    const waiting = await ask(tenant, { requestId });
    await overdue([waiting]);
    await expect(decide(waiting, "APPROVE")).rejects.toThrow("The time for it was over");
    await world.sweep();
    const error = await decide(waiting, "APPROVE").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StateFailure);
    expect(error).toMatchObject({ code: "approval_expired" });
    expect(await ask(tenant, { requestId })).toMatchObject({ id: waiting.id, error: "approval_expired" });
  });

  test("keeps the decision that was committed before its time was found to be over", async () => {
    const waiting = await ask();
    await decide(waiting, "REJECT");
    await overdue([waiting]);
    await world.sweep();
    expect(await world.row(waiting.id)).toMatchObject({ error: "approval_rejected" });
    expect(await world.approvalOf(waiting)).toMatchObject({ status: "REJECTED" });
  });

  test("is left alone while somebody decides, and stays as they decided", async () => {
    const waiting = await ask();
    await overdue([waiting]);
    await em().transactional(async (inner) => {
      await inner.execute("select 1 from approval where id = ? for update", [waiting.approvalId]);
      await world.sweep();
      expect(await world.row(waiting.id)).toMatchObject({ state: "AWAITING_APPROVAL" });
    });
    await world.sweep();
    expect(await world.row(waiting.id)).toMatchObject({ error: "approval_expired" });
  });

  test("does not touch what a run's own step asks", async () => {
    const [runId, stepId, id] = [newId(), "ask", newId()];
    const approvers = [{ role: "security_lead" }];
    const asks = { id, tenantId: tenant.id, status: "PENDING", approvers, runId, stepId } as const;
    await em().insert(Approval, { ...asks, createdAt: new Date(), expiresAt: new Date(0) });
    await world.sweep();
    expect(await em().findOneOrFail(Approval, { id })).toMatchObject({ status: "PENDING" });
  });
});

describe("the time that people have", () => {
  const minutesOf = async (dispatch: LiveActionDispatch) => {
    const { expiresAt } = await world.approvalOf(dispatch);
    return ((expiresAt?.getTime() ?? 0) - dispatch.createdAt.getTime()) / minute;
  };

  test("is a day where no policy says", async () => {
    expect(await minutesOf(await ask())).toBe(limits.approvalMinutesDefault);
    expect(limits.approvalMinutesDefault).toBe(1_440);
  });

  test("is as the vendor's policy says, else as the capability's does", async () => {
    const other = await world.tenant({ approvalTimeoutMinutes: 90 });
    expect(await minutesOf(await ask(other))).toBe(90);
    await setLiveActionPolicy(world.as(other), { capability, vendorId: "bolt", approvalTimeoutMinutes: 5 });
    expect(await minutesOf(await ask(other))).toBe(90);
    await setLiveActionPolicy(world.as(other), { capability, vendorId: "acme", approvalTimeoutMinutes: 15 });
    expect(await minutesOf(await ask(other))).toBe(15);
    await setLiveActionPolicy(world.as(other), { capability, vendorId: "acme", approvalTimeoutMinutes: null });
    expect(await minutesOf(await ask(other))).toBe(90);
    await setLiveActionPolicy(world.as(other), { capability, callsPerDay: 5 });
    expect(await listPolicies(world.as(other))).toMatchObject([
      { vendorId: null, approvalTimeoutMinutes: 90 },
      ...[{ approvalTimeoutMinutes: null }, { approvalTimeoutMinutes: 5 }],
    ]);
  });

  test.each([0, -1, 1.5, limits.approvalMinutesMax + 1])("is not %s minutes", async (approvalTimeoutMinutes) => {
    await expect(world.tenant({ approvalTimeoutMinutes })).rejects.toThrow(ValidationFailure);
  });
});
