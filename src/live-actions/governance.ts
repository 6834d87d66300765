import type { EntityManager } from "@mikro-orm/postgresql";
import type { Approver } from "../approvals/approver.ts";
import type { Adapter } from "./adapter.ts";
import type { LiveActionPolicy } from "./entities.ts";

/** What a tenant says about a capability. Numbers that are null bound nothing. */
export type Policy = Pick<
  LiveActionPolicy,
  "id" | "capability" | "vendorId" | "requireApproval" | "approvers" | "callsPerDay" | "costPerCall" | "budgetPerMonth"
>;

export interface Governance {
  readonly pinnedVendorId: string | undefined;
  /** All of the capability, whichever vendor they are for. */
  readonly policies: readonly Policy[];
  /** Which of the asked secrets the tenant has. */
  readonly stored: ReadonlySet<string>;
}

/** All that a dispatch has to know of its tenant, by one statement. @param secretNames As many as are credentials of the capability's vendors. */
export async function readGovernance(
  em: EntityManager,
  tenantId: string,
  { capability, secretNames }: { readonly capability: string; readonly secretNames: readonly string[] },
): Promise<Governance> {
  const values = [tenantId, capability, tenantId, capability, tenantId, JSON.stringify(secretNames)];
  const [row] = await em.execute<GovernanceRow[]>(governanceSql, values);
  return {
    pinnedVendorId: row?.pinned ?? undefined,
    policies: row?.policies ?? [],
    stored: new Set(row?.stored ?? []),
  };
}

interface GovernanceRow {
  readonly pinned: string | null;
  readonly policies: Policy[] | null;
  readonly stored: string[] | null;
}

const governanceSql = `
select
  (select vendor_id from vendor_pin where tenant_id = ? and capability = ?) as pinned,
  (select json_agg(json_build_object('id', id, 'capability', capability, 'vendorId', vendor_id, 'requireApproval', require_approval,
    'approvers', approvers, 'callsPerDay', calls_per_day, 'costPerCall', cost_per_call, 'budgetPerMonth', budget_per_month))
   from live_action_policy where tenant_id = ? and capability = ?) as policies,
  (select json_agg(name) from secret where tenant_id = ? and name in (select jsonb_array_elements_text(?::jsonb))) as stored`;

/** The policies that hold for a pair: of all vendors first, then of this one. Each of them holds. */
export function policiesFor(policies: readonly Policy[], { vendorId, capability }: Pair): readonly Policy[] {
  const ofPair = policies.filter((policy) => policy.capability === capability);
  return [...ofPair.filter((policy) => policy.vendorId == null), ...ofPair.filter((p) => p.vendorId === vendorId)];
}

type Pair = Pick<Adapter, "vendorId" | "capability">;

/** What one call of the pair costs the tenant: as the vendor's policy says, else the capability's, else the adapter. */
export function costOf(policies: readonly Policy[], pair: Pair & Pick<Adapter, "costPerCall">): number {
  return (
    policiesFor(policies, pair).findLast(({ costPerCall }) => costPerCall != null)?.costPerCall ?? pair.costPerCall ?? 0
  );
}

/** Who decides about a call of the pair; undefined where nobody has to. Where both policies ask, the vendor's says whom. */
export function approversOf(policies: readonly Policy[], pair: Pair): readonly Approver[] | undefined {
  return policiesFor(policies, pair).findLast(({ requireApproval }) => requireApproval)?.approvers;
}
