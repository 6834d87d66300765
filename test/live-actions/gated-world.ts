import { vi } from "vitest";
import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import { newId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { DispatchSweeper } from "../../src/live-actions/dispatch-sweeper.ts";
import type { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { type PolicyInput, setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import { Hub } from "../../src/runs/hub.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, decisionsOf, dispatchWorld } from "./dispatch-world.ts";

export const capability = "isolate_host";

/** A node with one adapter, and tenants whose isolations a `security_lead` has to approve. */
export interface GatedWorld extends DispatchWorld {
  readonly database: TestDatabase;
  /** What the adapter was asked. */
  readonly asked: Asked[];
  /** A tenant with such a policy, changed by what is given. */
  tenant(policy?: Partial<PolicyInput>): Promise<Tenant>;
  /** As a `security_lead` of the tenant. */
  decide(tenant: Tenant, dispatch: Asking, decision: "APPROVE" | "REJECT", comment?: string): Promise<Approval>;
  /** The request for approval as it stands. */
  approvalOf(dispatch: Asking): Promise<Approval>;
  /** The row once it is COMPLETED. */
  ended(id: string): Promise<LiveActionDispatch>;
  /** One look of a node, whose streams hear what it finds. */
  sweep(hub?: Hub): Promise<void>;
}

type Asking = Pick<LiveActionDispatch, "approvalId">;

/** @param adapter What the adapter does beyond being asked. */
export async function gatedWorld(adapter: Parameters<typeof scriptedAdapter>[0] = {}): Promise<GatedWorld> {
  const database = await createTestDatabase();
  const asked: Asked[] = [];
  const world = await dispatchWorld(database.orm, [scriptedAdapter({ asked, ...adapter })]);
  const em = () => database.orm.em.fork();
  return {
    ...world,
    database,
    asked,
    async tenant(policy = {}) {
      const made = await makeTenant(database.orm, newId());
      const approvers = [{ role: "security_lead" }];
      await setLiveActionPolicy(world.as(made), { capability, requireApproval: true, approvers, ...policy });
      return made;
    },
    decide: (tenant, { approvalId }, decision, comment) =>
      decideApproval(world.as(tenant, ["security_lead"]), decisionsOf(world), {
        ...{ id: approvalId ?? "", decision, comment },
      }),
    approvalOf: ({ approvalId }) => em().findOneOrFail(Approval, { id: approvalId ?? "" }),
    ended: (id) =>
      vi.waitUntil(
        async () => {
          const row = await world.row(id);
          return row.state === "COMPLETED" ? row : undefined;
        },
        { timeout: 20_000 },
      ),
    async sweep(hub = new Hub()) {
      const sweeper = new DispatchSweeper({ em, news: hub, log: silentLog });
      sweeper.start();
      await sweeper.stop();
    },
  };
}
