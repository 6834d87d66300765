import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import { ForbiddenError, StateFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { LiveActionInput } from "../../src/live-actions/accept-request.ts";
import { dispatchLiveAction } from "../../src/live-actions/dispatch-live-action.ts";
import { setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import { ApiToken, type Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, decisionsOf, dispatchWorld } from "./dispatch-world.ts";

const capability = "isolate_host";
const token = "s3cret-t0ken";
const credentials = { acme_id: "me", acme_token: token };

let database: TestDatabase;
let world: DispatchWorld;
let tenant: Tenant;
const asked: Asked[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  world = await dispatchWorld(database.orm, [scriptedAdapter({ asked })]);
  tenant = await makeTenant(database.orm, "mine");
  await world.put(tenant, credentials);
  await setLiveActionPolicy(world.as(tenant), {
    ...{ capability, requireApproval: true, approvers: [{ role: "security_lead" }] },
  });
});
afterAll(() => database.close());

const lead = () => world.as(tenant, ["security_lead"]);
const decide = (id: string, decision: "APPROVE" | "REJECT", comment?: string) =>
  decideApproval(lead(), decisionsOf(world), { id, decision, comment });
const ended = (id: string) =>
  vi.waitUntil(
    async () => {
      const row = await world.row(id);
      return row.state === "COMPLETED" ? row : undefined;
    },
    { timeout: 20_000 },
  );
/** Asks, and answers the dispatch that waits and its request for approval. */
async function ask(input: Partial<LiveActionInput> = {}) {
  const waiting = await world.dispatch(tenant, input);
  return { waiting, approvalId: waiting.approvalId ?? "" };
}

describe("a dispatch that people are asked about", () => {
  test("waits, calls nobody, and shows exactly what would be done, without credentials", async () => {
    const before = asked.length;
    const { waiting, approvalId } = await ask({
      ...{ caseId: "case-1", requestedBy: "alice" },
      params: { ...credentials, note: `uses ${token}` },
    });
    expect(waiting).toMatchObject({ state: "AWAITING_APPROVAL", status: null, completedAt: null, cost: 0 });
    const approval = await database.orm.em.fork().findOneOrFail(Approval, { id: approvalId });
    expect(approval).toMatchObject({
      ...{ status: "PENDING", dispatchId: waiting.id, runId: null, approvers: [{ role: "security_lead" }] },
      message: "test, for alice, asks for isolate_host on host-77 with acme.",
      effect: {
        liveAction: {
          ...{ capability, vendorId: "acme", target: "host-77", impact: "HIGH", caseId: "case-1" },
          ...{ requestedBy: "alice", isRollback: false, params: { note: "uses ***" } },
        },
      },
    });
    const row = await world.row(waiting.id);
    expect(JSON.stringify([row, approval])).not.toContain(token);
    expect(row.sealedCredentials).toMatch(/^ey/);
    expect(asked).toHaveLength(before);
  });

  test("runs with exactly what was asked once it is approved, and then forgets the credentials", async () => {
    const before = asked.length;
    const params = { ...credentials, acme_token: "of-the-request", note: "uses of-the-request" };
    const { waiting, approvalId } = await ask({ params });
    await decide(approvalId, "APPROVE");
    const row = await ended(waiting.id);
    expect(row).toMatchObject({ status: "SUCCEEDED", sealedCredentials: null, params: { note: "uses ***" } });
    expect(asked.slice(before)).toEqual([
      {
        what: "execute",
        request: { requestId: waiting.requestId, target: "host-77", params: { note: "uses of-the-request" } },
        credentials: { acme_id: "me", acme_token: "of-the-request" },
      },
    ]);
    expect(JSON.stringify(row)).not.toContain("of-the-request");
  });

  test("takes stored credentials as they are when it runs", async () => {
    const other = await makeTenant(database.orm, newId());
    await world.put(other, credentials);
    await setLiveActionPolicy(world.as(other), {
      ...{ capability, requireApproval: true, approvers: [{ role: "security_lead" }], costPerCall: 3 },
    });
    const waiting = await world.dispatch(other, {});
    await world.put(other, { acme_token: "rotated-t0ken" });
    const ctx = world.as(other, ["security_lead"]);
    await decideApproval(ctx, decisionsOf(world), { id: waiting.approvalId ?? "", decision: "APPROVE" });
    expect(await ended(waiting.id)).toMatchObject({ status: "SUCCEEDED", cost: 3 });
    expect(asked.at(-1)?.credentials).toEqual({ acme_id: "me", acme_token: "rotated-t0ken" });
  });

  test("calls nobody where the node was away between the decision and the call", async () => {
    const before = asked.length;
    const { waiting, approvalId } = await ask();
    const now = performance.now.bind(performance);
    const decisions = decisionsOf(world);
    const away = {
      ...decisions,
      async onDecided(approval: Approval) {
        vi.spyOn(performance, "now").mockImplementation(() => now() + limits.dispatchLeaseMarginMs);
        await decisions.onDecided(approval);
      },
    };
    await decideApproval(lead(), away, { id: approvalId, decision: "APPROVE" });
    const row = await ended(waiting.id);
    vi.restoreAllMocks();
    expect(row).toMatchObject({ status: "FAILED", error: "node_too_slow" });
    expect(asked.slice(before).filter(({ what }) => what === "execute")).toEqual([]);
  });

  test("calls nobody once it is rejected, and says who did", async () => {
    const before = asked.length;
    const { waiting, approvalId } = await ask();
    await decide(approvalId, "REJECT", "Not now.");
    expect(await world.row(waiting.id)).toMatchObject({
      ...{ state: "COMPLETED", status: "FAILED", error: "approval_rejected" },
      details: { decided_by: "test", comment: "Not now." },
    });
    expect(asked).toHaveLength(before);
  });

  test("is decided once: a yes is used once, whoever asks again", async () => {
    const { waiting, approvalId } = await ask();
    const before = asked.length;
    const both = await Promise.allSettled([decide(approvalId, "APPROVE"), decide(approvalId, "APPROVE")]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await ended(waiting.id);
    await expect(decide(approvalId, "REJECT")).rejects.toThrow(StateFailure);
    expect(asked).toHaveLength(before + 1);
  });

  test("answers a repetition as it stands, and other arguments need another request", async () => {
    const requestId = newId();
    const { waiting } = await ask({ requestId });
    expect(await world.dispatch(tenant, { requestId })).toMatchObject({ id: waiting.id, state: "AWAITING_APPROVAL" });
    await expect(world.dispatch(tenant, { requestId, target: "other" })).rejects.toThrow("other arguments");
  });

  test("is not decided by who asked", async () => {
    const asker = world.as(tenant, ["operator", "security_lead"]);
    const id = newId();
    const own = { ...asker, actor: { ...asker.actor, id } };
    const { approvalId } = await ask();
    await database.orm.em.fork().nativeUpdate(Approval, { id: approvalId }, { requesterId: id });
    const decision = decideApproval(own, decisionsOf(world), { id: approvalId, decision: "APPROVE" });
    await expect(decision).rejects.toThrow(ForbiddenError);
  });

  test("calls nobody for a token that was revoked meanwhile, and calls for one that was not", async () => {
    const before = asked.length;
    for (const revokedAt of [new Date(), null]) {
      const em = database.orm.em.fork();
      const made = { id: newId(), tenantId: tenant.id, name: "ci", hash: newId(), roles: ["operator"], revokedAt };
      await em.insert(ApiToken, { ...made, createdAt: new Date() });
      const ctx = { ...world.as(tenant), actor: { kind: "TOKEN", name: "ci", id: made.id } as const };
      const input = { capability, target: "host-77" };
      const { id, approvalId } = await dispatchLiveAction(ctx, world.ports, input);
      await decide(approvalId ?? "", "APPROVE");
      const result = await ended(id);
      if (revokedAt) expect(result).toMatchObject({ status: "FAILED", error: "requester_revoked", cost: 0 });
      else expect(result.status).toBe("SUCCEEDED");
    }
    expect(asked).toHaveLength(before + 1);
  });

  test("is refused beyond the quota when it is approved, before the vendor is called", async () => {
    const other = await makeTenant(database.orm, newId());
    await world.put(other, credentials);
    const approvers = [{ role: "security_lead" }];
    await setLiveActionPolicy(world.as(other), { capability, requireApproval: true, approvers, callsPerDay: 1 });
    const waiting = [await world.dispatch(other, {}), await world.dispatch(other, {})];
    const before = asked.length;
    for (const { approvalId } of waiting) {
      const ctx = world.as(other, ["security_lead"]);
      await decideApproval(ctx, decisionsOf(world), { id: approvalId ?? "", decision: "APPROVE" });
    }
    const [first, second] = [await ended(waiting[0]!.id), await ended(waiting[1]!.id)];
    expect([first.status, second.error]).toEqual(["SUCCEEDED", "quota_exceeded"]);
    expect(asked).toHaveLength(before + 1);
  });

  test("is previewed, and simulated where credentials are missing, without asking anybody", async () => {
    expect(await world.dispatch(tenant, { dryRun: true })).toMatchObject({ status: "SIMULATED", approvalId: null });
    const bare = await makeTenant(database.orm, newId());
    await setLiveActionPolicy(world.as(bare), { capability, requireApproval: true });
    expect(await world.dispatch(bare, {})).toMatchObject({ status: "SIMULATED", approvalId: null });
  });
});
