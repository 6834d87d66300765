import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { NotFoundFailure, StateFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { Adapter, AdapterResult } from "../../src/live-actions/adapter.ts";
import { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { rollbackLiveAction } from "../../src/live-actions/rollback-live-action.ts";
import { setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, decisionsOf, dispatchWorld, held } from "./dispatch-world.ts";

const credentials = { acme_id: "me", acme_token: "s3cret-t0ken" };

let database: TestDatabase;
let tenant: Tenant;
beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "mine");
});
afterAll(() => database.close());

const undone: AdapterResult = { status: "SUCCEEDED", summary: "Let go.", details: {} };

/** A world whose adapter can undo, and a dispatch of it that succeeded. */
async function withRollback(rollback: Adapter["rollback"], fields: Partial<Adapter> = {}) {
  const world = await dispatchWorld(database.orm, [scriptedAdapter({ ...(rollback ? { rollback } : {}), ...fields })]);
  await world.put(tenant, credentials);
  const { requestId } = await world.dispatch(tenant, { caseId: "case-1", params: { note: 1 } });
  return { ...world, requestId };
}
const undo = (world: DispatchWorld, requestId: string, reason?: string, of = tenant) =>
  rollbackLiveAction(world.as(of), world.ports, { requestId, reason });

describe("a rollback", () => {
  test("is a dispatch of its own, which hands the adapter what the first one's details are", async () => {
    const rollback = vi.fn<NonNullable<Adapter["rollback"]>>(async () => undone);
    const world = await withRollback(rollback);
    const { dispatch, rolledBack } = await undo(world, world.requestId, "It was the wrong host.");
    expect(rolledBack.requestId).toBe(world.requestId);
    expect(dispatch).toMatchObject({
      ...{ capability: "isolate_host", vendorId: "acme", target: "host-77", caseId: "case-1", status: "SUCCEEDED" },
      ...{ rollbackOfId: rolledBack.id, reason: "It was the wrong host.", summary: "Let go." },
    });
    expect(dispatch.requestId).not.toBe(world.requestId);
    expect(rollback).toHaveBeenCalledOnce();
    const [call, details] = rollback.mock.calls[0]!;
    expect(call).toMatchObject({ target: "host-77", params: { note: 1 }, credentials });
    expect(details).toEqual({ host: "host-77", completion: "confirmed" });
  });

  test("succeeds once: another is refused, also while the first is under way", async () => {
    const answer = held<AdapterResult>();
    const world = await withRollback(() => answer.promise);
    const first = undo(world, world.requestId);
    await vi.waitUntil(() => database.orm.em.fork().count(LiveActionDispatch, { state: "RUNNING" }), {
      timeout: 20_000,
    });
    await expect(undo(world, world.requestId)).rejects.toMatchObject({ code: "rolled_back" });
    answer.release(undone);
    await first;
    await expect(undo(world, world.requestId)).rejects.toMatchObject({ code: "rolled_back" });
  });

  test("calls nobody where the node was away right after it was written", async () => {
    const rollback = vi.fn<NonNullable<Adapter["rollback"]>>(async () => undone);
    const world = await withRollback(rollback);
    const now = performance.now.bind(performance);
    vi.spyOn(world.ports.news, "tellTenant").mockImplementationOnce(() => {
      vi.spyOn(performance, "now").mockImplementation(() => now() + limits.dispatchLeaseMarginMs);
    });
    const { dispatch } = await undo(world, world.requestId);
    vi.restoreAllMocks();
    expect(dispatch).toMatchObject({ status: "FAILED", error: "node_too_slow" });
    expect(rollback).not.toHaveBeenCalled();
  });

  test("that failed may be tried again", async () => {
    const answers: AdapterResult[] = [{ status: "FAILED", error: "busy", summary: "Busy.", details: {} }, undone];
    const world = await withRollback(async () => answers.shift() ?? undone);
    expect((await undo(world, world.requestId)).dispatch).toMatchObject({ status: "FAILED", error: "busy" });
    expect((await undo(world, world.requestId)).dispatch.status).toBe("SUCCEEDED");
  });

  test("can't itself be rolled back", async () => {
    const world = await withRollback(async () => undone);
    const { dispatch } = await undo(world, world.requestId);
    await expect(undo(world, dispatch.requestId)).rejects.toMatchObject({ code: "is_rollback" });
  });

  test("is simulated where the store has no credentials: those of the request are gone", async () => {
    const world = await withRollback(async () => undone);
    const bare = await makeTenant(database.orm, newId());
    const { requestId } = await world.dispatch(bare, { params: credentials });
    const { dispatch } = await undo(world, requestId, undefined, bare);
    expect(dispatch).toMatchObject({ status: "SIMULATED", details: { missing_credentials: ["acme_token"] } });
    // What the adapter previews is what was done, and not what undoing it would do.
    expect(dispatch.details).not.toHaveProperty("host");
    expect(dispatch.summary).toContain("Simulated the rollback of isolate_host");
  });

  test("is asked of the account and at the address of the dispatch, not of the store's own", async () => {
    const rollback = vi.fn<NonNullable<Adapter["rollback"]>>(async () => undone);
    const world = await withRollback(rollback);
    const mine = await makeTenant(database.orm, newId());
    await world.put(mine, { ...credentials, acme_url: "https://acme.example", lab_token: "t0ken-of-the-lab" });
    const acme_url = "https://lab.example";
    const params = { acme_url, acme_token: { $secret: "lab_token" } };
    const { requestId } = await world.dispatch(mine, { params }, ["admin"]);
    const byOperator = await undo(world, requestId, undefined, mine);
    expect(byOperator.dispatch).toMatchObject({ status: "SIMULATED" });
    expect(byOperator.dispatch.summary).toContain("address of the request's own");
    await rollbackLiveAction(world.as(mine, ["admin"]), world.ports, { requestId });
    expect(rollback).toHaveBeenCalledOnce();
    expect(rollback.mock.calls[0]?.[0].credentials).toEqual({
      ...credentials,
      ...{ acme_url, acme_token: "t0ken-of-the-lab" },
    });
  });

  test("that waits for people is asked there, too", async () => {
    const rollback = vi.fn<NonNullable<Adapter["rollback"]>>(async () => undone);
    const world = await withRollback(rollback);
    const mine = await makeTenant(database.orm, newId());
    await world.put(mine, { ...credentials, lab_token: "t0ken-of-the-lab" });
    const { requestId } = await world.dispatch(mine, { params: { acme_token: { $secret: "lab_token" } } });
    const approvers = [{ role: "security_lead" }];
    await setLiveActionPolicy(world.as(mine), { capability: "isolate_host", requireApproval: true, approvers });
    const { dispatch } = await undo(world, requestId, undefined, mine);
    const decision = { id: dispatch.approvalId ?? "", decision: "APPROVE" } as const;
    await decideApproval(world.as(mine, ["security_lead"]), decisionsOf(world), decision);
    await vi.waitUntil(async () => (await world.row(dispatch.id)).status === "SUCCEEDED", { timeout: 20_000 });
    expect(rollback.mock.calls[0]?.[0].credentials).toEqual({ ...credentials, acme_token: "t0ken-of-the-lab" });
  });

  test("undoes the part that took effect of what failed", async () => {
    const rollback = vi.fn<NonNullable<Adapter["rollback"]>>(async () => undone);
    const failed = { status: "FAILED", error: "still_admitted", summary: "A part.", details: { rule: 7 } } as const;
    const world = await withRollback(rollback, { execute: async () => ({ ...failed, isPartial: true }) });
    const { dispatch, rolledBack } = await undo(world, world.requestId);
    expect(rolledBack).toMatchObject({ status: "FAILED", details: { rule: 7, completion: "partial" } });
    expect(dispatch.status).toBe("SUCCEEDED");
    expect(rollback.mock.calls[0]?.[1]).toEqual({ rule: 7, completion: "partial" });
    await expect(undo(world, world.requestId)).rejects.toMatchObject({ code: "rolled_back" });
  });

  test("is refused of what failed and says nothing of a part, whatever its details are", async () => {
    const failed = { status: "FAILED", error: "no", summary: "No.", details: { completion: "partial" } } as const;
    const world = await withRollback(async () => undone, { execute: async () => failed });
    const refusal = undo(world, world.requestId);
    await expect(refusal).rejects.toMatchObject({ code: "not_succeeded" });
    await expect(refusal).rejects.toThrow("this failed (no) and does not say that it changed anything");
  });

  test("waits for people where the action does, and undoes once they agree", async () => {
    const rollback = vi.fn<NonNullable<Adapter["rollback"]>>(async () => undone);
    const world = await withRollback(rollback);
    const mine = await makeTenant(database.orm, newId());
    await world.put(mine, credentials);
    const { requestId } = await world.dispatch(mine, {});
    const approvers = [{ role: "security_lead" }];
    await setLiveActionPolicy(world.as(mine), { capability: "isolate_host", requireApproval: true, approvers });
    const { dispatch } = await undo(world, requestId, undefined, mine);
    expect(dispatch.state).toBe("AWAITING_APPROVAL");
    const decision = { id: dispatch.approvalId ?? "", decision: "APPROVE" } as const;
    await decideApproval(world.as(mine, ["security_lead"]), decisionsOf(world), decision);
    await vi.waitUntil(async () => (await world.row(dispatch.id)).status === "SUCCEEDED", { timeout: 20_000 });
    expect(rollback.mock.calls[0]?.[1]).toEqual({ host: "host-77", completion: "confirmed" });
  });

  test("is refused where nothing was done, and where it can't be undone, which says why", async () => {
    const irreversible = "A password that was reset stays reset.";
    const world = await withRollback(undefined, { irreversible });
    await expect(undo(world, world.requestId)).rejects.toThrow(`${irreversible} Dispatch unisolate_host instead.`);
    const { requestId } = await world.dispatch(tenant, { vendorId: "nobody" });
    await expect(undo(world, requestId)).rejects.toMatchObject({ code: "not_succeeded" });
    await expect(undo(world, requestId)).rejects.toThrow(StateFailure);
  });

  test("finds dispatches of the caller's tenant only, and no dry runs", async () => {
    const world = await withRollback(async () => undone);
    const theirs = await makeTenant(database.orm, newId());
    await expect(undo(world, world.requestId, undefined, theirs)).rejects.toThrow(NotFoundFailure);
    const dry = await world.dispatch(tenant, { dryRun: true });
    await expect(undo(world, dry.requestId)).rejects.toThrow(NotFoundFailure);
    await expect(undo(world, "a\u0000b")).rejects.toThrow(NotFoundFailure);
  });
});
