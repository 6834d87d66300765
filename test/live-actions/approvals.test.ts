import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import { ForbiddenError, StateFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { LiveActionInput } from "../../src/live-actions/accept-request.ts";
import { dispatchLiveAction } from "../../src/live-actions/dispatch-live-action.ts";
import type { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { ApiToken, type Tenant } from "../../src/tenancy/entities.ts";
import { decisionsOf } from "./dispatch-world.ts";
import { capability, type GatedWorld, gatedWorld } from "./gated-world.ts";

const token = "s3cret-t0ken";
const credentials = { acme_id: "me", acme_token: token };

let world: GatedWorld;
let tenant: Tenant;
beforeAll(async () => {
  world = await gatedWorld();
  tenant = await world.tenant();
  await world.put(tenant, credentials);
});
afterAll(() => world.database.close());

const lead = () => world.as(tenant, ["security_lead"]);
const decide = (of: Pick<LiveActionDispatch, "approvalId">, decision: "APPROVE" | "REJECT", comment?: string) =>
  world.decide(tenant, of, decision, comment);
/** Asks, and answers the dispatch that waits. */
const ask = (input: Partial<LiveActionInput> = {}) => world.dispatch(tenant, input);

describe("a dispatch that people are asked about", () => {
  test("waits, calls nobody, and shows exactly what would be done, without credentials", async () => {
    const before = world.asked.length;
    const waiting = await ask({
      ...{ caseId: "case-1", requestedBy: "alice" },
      params: { ...credentials, note: `uses ${token}` },
    });
    expect(waiting).toMatchObject({ state: "AWAITING_APPROVAL", status: null, completedAt: null, cost: 0 });
    const approval = await world.approvalOf(waiting);
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
    expect(world.asked).toHaveLength(before);
  });

  test("runs with exactly what was asked once it is approved, and then forgets the credentials", async () => {
    const before = world.asked.length;
    const params = { ...credentials, acme_token: "of-the-request", note: "uses of-the-request" };
    const waiting = await ask({ params });
    await decide(waiting, "APPROVE");
    const row = await world.ended(waiting.id);
    expect(row).toMatchObject({ status: "SUCCEEDED", sealedCredentials: null, params: { note: "uses ***" } });
    expect(world.asked.slice(before)).toEqual([
      {
        what: "execute",
        request: { requestId: waiting.requestId, target: "host-77", params: { note: "uses of-the-request" } },
        credentials: { acme_id: "me", acme_token: "of-the-request" },
      },
    ]);
    expect(JSON.stringify(row)).not.toContain("of-the-request");
  });

  test("takes stored credentials as they are when it runs", async () => {
    const other = await world.tenant({ costPerCall: 3 });
    await world.put(other, credentials);
    const waiting = await world.dispatch(other, {});
    await world.put(other, { acme_token: "rotated-t0ken" });
    await world.decide(other, waiting, "APPROVE");
    expect(await world.ended(waiting.id)).toMatchObject({ status: "SUCCEEDED", cost: 3 });
    expect(world.asked.at(-1)?.credentials).toEqual({ acme_id: "me", acme_token: "rotated-t0ken" });
  });

  test("calls nobody where the node was away between the decision and the call", async () => {
    const before = world.asked.length;
    const waiting = await ask();
    const now = performance.now.bind(performance);
    const decisions = decisionsOf(world);
    const away = {
      ...decisions,
      async onDecided(approval: Approval) {
        vi.spyOn(performance, "now").mockImplementation(() => now() + limits.dispatchLeaseMarginMs);
        await decisions.onDecided(approval);
      },
    };
    await decideApproval(lead(), away, { id: waiting.approvalId ?? "", decision: "APPROVE" });
    const row = await world.ended(waiting.id);
    vi.restoreAllMocks();
    expect(row).toMatchObject({ status: "FAILED", error: "node_too_slow" });
    expect(world.asked.slice(before).filter(({ what }) => what === "execute")).toEqual([]);
  });

  test("calls nobody once it is rejected, and says who did", async () => {
    const before = world.asked.length;
    const waiting = await ask();
    await decide(waiting, "REJECT", "Not now.");
    expect(await world.row(waiting.id)).toMatchObject({
      ...{ state: "COMPLETED", status: "FAILED", error: "approval_rejected" },
      details: { decided_by: "test", comment: "Not now." },
    });
    expect(world.asked).toHaveLength(before);
  });

  test("is decided once: a yes is used once, whoever asks again", async () => {
    const waiting = await ask();
    const before = world.asked.length;
    const both = await Promise.allSettled([decide(waiting, "APPROVE"), decide(waiting, "APPROVE")]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await world.ended(waiting.id);
    await expect(decide(waiting, "REJECT")).rejects.toThrow(StateFailure);
    expect(world.asked).toHaveLength(before + 1);
  });

  test("answers a repetition as it stands, and other arguments need another request", async () => {
    const requestId = newId();
    const waiting = await ask({ requestId });
    expect(await world.dispatch(tenant, { requestId })).toMatchObject({ id: waiting.id, state: "AWAITING_APPROVAL" });
    await expect(world.dispatch(tenant, { requestId, target: "other" })).rejects.toThrow("other arguments");
  });

  test("is not decided by who asked", async () => {
    const asker = world.as(tenant, ["operator", "security_lead"]);
    const id = newId();
    const own = { ...asker, actor: { ...asker.actor, id } };
    const waiting = await ask();
    const approvalId = waiting.approvalId ?? "";
    await world.database.orm.em.fork().nativeUpdate(Approval, { id: approvalId }, { requesterId: id });
    const decision = decideApproval(own, decisionsOf(world), { id: approvalId, decision: "APPROVE" });
    await expect(decision).rejects.toThrow(ForbiddenError);
  });

  test("calls nobody for a token that was revoked meanwhile, and calls for one that was not", async () => {
    const before = world.asked.length;
    for (const revokedAt of [new Date(), null]) {
      const em = world.database.orm.em.fork();
      const made = { id: newId(), tenantId: tenant.id, name: "ci", hash: newId(), roles: ["operator"], revokedAt };
      await em.insert(ApiToken, { ...made, createdAt: new Date() });
      const ctx = { ...world.as(tenant), actor: { kind: "TOKEN", name: "ci", id: made.id } as const };
      const input = { capability, target: "host-77" };
      const waiting = await dispatchLiveAction(ctx, world.ports, input);
      await decide(waiting, "APPROVE");
      const result = await world.ended(waiting.id);
      if (revokedAt) expect(result).toMatchObject({ status: "FAILED", error: "requester_revoked", cost: 0 });
      else expect(result.status).toBe("SUCCEEDED");
    }
    expect(world.asked).toHaveLength(before + 1);
  });

  test("is refused beyond the quota when it is approved, before the vendor is called", async () => {
    const other = await world.tenant({ callsPerDay: 1 });
    await world.put(other, credentials);
    const waiting = [await world.dispatch(other, {}), await world.dispatch(other, {})];
    const before = world.asked.length;
    for (const one of waiting) await world.decide(other, one, "APPROVE");
    const [first, second] = [await world.ended(waiting[0]!.id), await world.ended(waiting[1]!.id)];
    expect([first.status, second.error]).toEqual(["SUCCEEDED", "quota_exceeded"]);
    expect(world.asked).toHaveLength(before + 1);
  });

  test("is previewed, and simulated where credentials are missing, without asking anybody", async () => {
    expect(await world.dispatch(tenant, { dryRun: true })).toMatchObject({ status: "SIMULATED", approvalId: null });
    const bare = await world.tenant();
    expect(await world.dispatch(bare, {})).toMatchObject({ status: "SIMULATED", approvalId: null });
  });
});
