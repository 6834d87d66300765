import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Approval } from "../../src/approvals/entities.ts";
import { NotFoundFailure, ValidationFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import type { LiveActionInput } from "../../src/live-actions/accept-request.ts";
import type { AdapterResult } from "../../src/live-actions/adapter.ts";
import type { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { rollbackLiveAction } from "../../src/live-actions/rollback-live-action.ts";
import { setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import { withdrawLiveAction } from "../../src/live-actions/withdraw-live-action.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { held } from "./dispatch-world.ts";
import { capability, type GatedWorld, gatedWorld } from "./gated-world.ts";

const done: AdapterResult = { status: "SUCCEEDED", summary: "Done.", details: {} };

let world: GatedWorld;
let tenant: Tenant;
let answer: () => Promise<AdapterResult>;
beforeAll(async () => {
  world = await gatedWorld({ answer: () => answer(), rollback: async () => done });
  tenant = await world.tenant();
  await world.put(tenant, { acme_id: "me", acme_token: "s3cret-t0ken" });
  answer = async () => done;
});
afterAll(() => world.database.close());

const em = () => world.database.orm.em.fork();

async function gate(requireApproval: boolean): Promise<void> {
  const approvers = [{ role: "security_lead" }];
  await setLiveActionPolicy(world.as(tenant), { capability, requireApproval, approvers });
}
const ask = (input: Partial<LiveActionInput> = {}) => world.dispatch(tenant, { target: newId(), ...input });

/** Somebody who did not ask for it. */
const colleague = (of = tenant) => {
  const ctx = world.as(of, ["operator"]);
  return { ...ctx, actor: { kind: "TOKEN", name: "bea", id: newId() } as const };
};
const withdraw = ({ requestId }: { readonly requestId: string }, reason?: string, ctx = colleague()) =>
  withdrawLiveAction(ctx, world.ports, { requestId, reason });
const decide = (dispatch: LiveActionDispatch, decision: "APPROVE" | "REJECT") =>
  world.decide(tenant, dispatch, decision);

describe("a live action that waits for people", () => {
  test("is withdrawn by a colleague of who asked: nobody is called or asked any more, and nothing is kept", async () => {
    const before = world.asked.length;
    const waiting = await ask({ params: { acme_id: "me", acme_token: "of-the-request" } });
    expect(waiting.sealedCredentials).toMatch(/^ey/);
    const told = vi.fn();
    const leave = world.hub.onTenant(tenant.id, told);
    const withdrawn = await withdraw(waiting, "False alarm.");
    leave();
    const summary = "bea withdrew it before anybody decided, so nobody was contacted.";
    const result = { state: "COMPLETED", status: "FAILED", error: "withdrawn", summary, sealedCredentials: null };
    expect(withdrawn).toMatchObject({ id: waiting.id, ...result });
    expect(await world.row(waiting.id)).toMatchObject({
      ...result,
      details: { message: summary, withdrawn_by: "bea", reason: "False alarm." },
    });
    expect(await world.approvalOf(waiting)).toMatchObject({ status: "CLOSED", decidedAt: null });
    await expect(decide(waiting, "APPROVE")).rejects.toMatchObject({ code: "approval_closed" });
    expect(told).toHaveBeenCalled();
    expect(world.asked).toHaveLength(before);
  });

  test("leaves an entry of who withdrew it, and one of its end", async () => {
    const waiting = await ask();
    await withdraw(waiting, "False alarm.");
    const sql = "select operation, outcome, actor_name, detail from audit_entry where subject = ? order by operation";
    expect(await em().execute(sql, [`target:${waiting.target}`])).toMatchObject([
      { operation: "completeLiveAction", outcome: "failed", actor_name: "test", detail: { error: "withdrawn" } },
      { operation: "dispatchLiveAction", outcome: "awaiting_approval", actor_name: "test" },
      {
        ...{ operation: "withdrawLiveAction", outcome: "succeeded", actor_name: "bea" },
        detail: { requestId: waiting.requestId, capability, reason: "False alarm." },
      },
    ]);
  });

  test("is not withdrawn where its entry can't be written", async () => {
    const waiting = await ask();
    const ctx = colleague();
    const broken = { ...ctx, actor: { ...ctx.actor, id: "no uuid" } };
    await expect(withdraw(waiting, undefined, broken)).rejects.toThrow();
    expect(await world.row(waiting.id)).toMatchObject({ state: "AWAITING_APPROVAL" });
    expect(await world.approvalOf(waiting)).toMatchObject({ status: "PENDING" });
  });

  test("has one outcome, whoever approves, rejects, withdraws or finds it overdue at once", async () => {
    const outcomes = {
      APPROVED: null,
      REJECTED: "approval_rejected",
      EXPIRED: "approval_expired",
      CLOSED: "withdrawn",
    };
    for (let round = 0; round < 12; round += 1) {
      const before = world.asked.length;
      const waiting = await ask();
      const late = round % 3 === 0;
      if (late) await em().nativeUpdate(Approval, { id: waiting.approvalId ?? "" }, { expiresAt: new Date(0) });
      const answers = await Promise.allSettled([
        ...[withdraw(waiting), decide(waiting, "APPROVE"), decide(waiting, "REJECT"), withdraw(waiting)],
        ...[world.sweep(world.hub), world.sweep(world.hub)],
      ]);
      const said = answers.slice(0, 4).filter(({ status }) => status === "fulfilled");
      const { status } = await world.approvalOf(waiting);
      expect(said).toHaveLength(status === "EXPIRED" ? 0 : 1);
      expect((await world.ended(waiting.id)).error).toBe(outcomes[status as keyof typeof outcomes]);
      expect(world.asked.length - before).toBe(status === "APPROVED" ? 1 : 0);
    }
  });

  test("that is a rollback may be asked for anew once it is withdrawn", async () => {
    await gate(false);
    const { requestId } = await ask();
    await gate(true);
    const undo = async () => (await rollbackLiveAction(world.as(tenant), world.ports, { requestId })).dispatch;
    const first = await undo();
    await expect(undo()).rejects.toMatchObject({ code: "rolled_back" });
    expect(await withdraw(first)).toMatchObject({ error: "withdrawn" });
    expect(await undo()).toMatchObject({ state: "AWAITING_APPROVAL" });
  });
});

describe("withdrawing", () => {
  test("is refused for what runs, and for what has ended, which says how", async () => {
    const vendor = held<AdapterResult>();
    answer = () => vendor.promise;
    const waiting = await ask();
    await decide(waiting, "APPROVE");
    await expect(withdraw(waiting)).rejects.toMatchObject({ code: "live_action_running" });
    vendor.release(done);
    await world.ended(waiting.id);
    answer = async () => done;
    const late = { code: "live_action_ended", message: expect.stringContaining("rollbackLiveAction") };
    await expect(withdraw(waiting)).rejects.toMatchObject(late);
    const other = await ask();
    await withdraw(other);
    const again = { code: "live_action_ended", message: expect.stringContaining("FAILED (withdrawn)") };
    await expect(withdraw(other)).rejects.toMatchObject(again);
  });

  test("finds nothing of another tenant, no dry run, and no id that is none", async () => {
    const stranger = await makeTenant(world.database.orm, newId());
    const waiting = await ask();
    await expect(withdraw(waiting, undefined, colleague(stranger))).rejects.toThrow(NotFoundFailure);
    expect(await world.row(waiting.id)).toMatchObject({ state: "AWAITING_APPROVAL" });
    await expect(withdraw(await ask({ dryRun: true }))).rejects.toThrow(NotFoundFailure);
    for (const requestId of ["", "nobody's", "a\u0000b", "x".repeat(300)]) {
      await expect(withdraw({ requestId })).rejects.toThrow(NotFoundFailure);
    }
  });

  test("takes no reason that can't be kept", async () => {
    const waiting = await ask();
    for (const reason of ["a\u0000b", "x".repeat(5_000)]) {
      await expect(withdraw(waiting, reason)).rejects.toThrow(ValidationFailure);
    }
    expect(await world.row(waiting.id)).toMatchObject({ state: "AWAITING_APPROVAL" });
  });
});
