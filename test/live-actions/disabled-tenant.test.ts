import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import { TenantDisabledError } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { rollbackLiveAction } from "../../src/live-actions/rollback-live-action.ts";
import { setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeCustomer } from "../tenancy/customers.ts";
import { send } from "../tenancy/strangers.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, decisionsOf, dispatchWorld } from "./dispatch-world.ts";

const asked: Asked[] = [];
const undone: string[] = [];
const acme: Adapter = scriptedAdapter({
  asked,
  credentials: [],
  async rollback({ target }) {
    undone.push(target);
    return { status: "SUCCEEDED", summary: "Undone.", details: {} };
  },
});
const setDisabled = (orm: TestDatabase["orm"], id: string, disabledAt: Date | null) =>
  orm.em.fork().execute("update tenant set disabled_at = ? where id = ?", [disabledAt, id]);

describe("what waits for approval in a disabled tenant", () => {
  let database: TestDatabase;
  let world: DispatchWorld;
  let tenant: Tenant;
  beforeAll(async () => {
    database = await createTestDatabase();
    world = await dispatchWorld(database.orm, [acme]);
  });
  beforeEach(async () => {
    tenant = await makeTenant(database.orm, newId());
    asked.length = 0;
    undone.length = 0;
  });
  afterAll(() => database.close());

  const govern = () => {
    const approvers = [{ role: "security_lead" }];
    return setLiveActionPolicy(world.as(tenant), { capability: "isolate_host", requireApproval: true, approvers });
  };
  const lead = () => world.as(tenant, ["security_lead"]);
  const approve = (id: string, decisions = decisionsOf(world)) =>
    decideApproval(lead(), decisions, { id, decision: "APPROVE" });
  const disable = () => setDisabled(database.orm, tenant.id, new Date());
  /** A dispatch and a rollback that wait. */
  async function waiting() {
    const { requestId } = await world.dispatch(tenant, { target: "done" });
    await govern();
    const dispatch = await world.dispatch(tenant, { target: "host-77" });
    const { dispatch: rollback } = await rollbackLiveAction(world.as(tenant), world.ports, { requestId });
    asked.length = 0;
    return [dispatch, rollback] as const;
  }

  test("is decided by nobody, calls nobody, and goes on once the tenant is enabled", async () => {
    const both = await waiting();
    await disable();
    for (const { id, approvalId } of both) {
      await expect(approve(approvalId ?? "")).rejects.toThrow(TenantDisabledError);
      expect((await world.row(id)).state).toBe("AWAITING_APPROVAL");
      expect((await database.orm.em.fork().findOneOrFail(Approval, { id: approvalId ?? "" })).status).toBe("PENDING");
    }
    expect([asked, undone]).toEqual([[], []]);
    await setDisabled(database.orm, tenant.id, null);
    for (const { id, approvalId } of both) {
      await approve(approvalId ?? "");
      await expect.poll(async () => (await world.row(id)).status).toBe("SUCCEEDED");
    }
    expect([asked.map(({ what }) => what), undone]).toEqual([["execute"], ["done"]]);
  });

  test("contacts nobody where the tenant was disabled between the decision and the call", async () => {
    const decisions = decisionsOf(world);
    const late = {
      ...decisions,
      async onDecided(approval: Approval) {
        await disable();
        await decisions.onDecided(approval);
      },
    };
    for (const { id, approvalId } of await waiting()) {
      await setDisabled(database.orm, tenant.id, null);
      await approve(approvalId ?? "", late);
      expect(await world.row(id)).toMatchObject({
        ...{ state: "COMPLETED", status: "FAILED", error: "tenant_disabled" },
        summary: expect.stringContaining("nobody was contacted"),
      });
    }
    expect([asked, undone]).toEqual([[], []]);
  });
});

describe("a dispatch that was begun when its tenant was disabled", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ adapters: [acme] });
    asked.length = 0;
  });
  afterAll(() => server.close());

  test("contacts nobody once its node knows of it", async () => {
    const { token, tenantId } = await makeCustomer(server, "customer");
    const dispatch = `mutation { dispatchLiveAction(input: { capability: "isolate_host", vendorId: "acme", target: "host-1" }) {
      __typename ... on DispatchLiveActionPayload { dispatch { result { status error } } } ... on Failure { code } } }`;
    const resultOf = async () => {
      const { data } = await send(server, token, dispatch);
      return (data as { dispatchLiveAction: { dispatch: { result: unknown } } }).dispatchLiveAction.dispatch.result;
    };
    expect(await resultOf()).toEqual({ status: "SUCCEEDED", error: null });
    // Holds the dispatch up behind its authentication, until the node has heard.
    const em = server.orm.em.fork();
    await em.begin();
    await em.execute("lock table live_action_dispatch in exclusive mode");
    const held = resultOf();
    await expect.poll(() => waitingFor(server, "live_action_dispatch")).toBeGreaterThan(0);
    await setDisabled(server.orm, tenantId, new Date());
    await expect.poll(async () => (await send(server, token, "{ viewer { name } }")).errors?.length).toBe(1);
    await em.commit();
    expect(await held).toEqual({ status: "FAILED", error: "tenant_disabled" });
    expect(asked).toHaveLength(1);
  });
});

/** How many wait for a lock on the table. */
async function waitingFor({ orm }: TestServer, table: string): Promise<number> {
  const sql = "select count(*)::int as count from pg_locks where not granted and relation = ?::regclass";
  const [row] = await orm.em.fork().execute<{ count: number }[]>(sql, [table]);
  return row?.count ?? 0;
}
