import type { EntityManager } from "@mikro-orm/postgresql";
import type { Approver } from "../approvals/approver.ts";
import { type Execute, executeIn, statement } from "../database/statement.ts";
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
  /** Which secrets the tenant has, of those that were asked for, by this dispatch or another. */
  readonly stored: ReadonlySet<string>;
}

/** What is asked about a tenant. */
export interface GovernanceQuestion {
  readonly capability: string;
  /** As many as are credentials of the capability's vendors. */
  readonly secretNames: readonly string[];
}

/** All that a dispatch has to know of its tenant, by one statement. */
export async function readGovernance(
  em: EntityManager,
  tenantId: string,
  question: GovernanceQuestion,
): Promise<Governance> {
  const [governance] = await readGovernances(executeIn(em), tenantId, [question]);
  return governance as Governance;
}

/** The same for several dispatches, by one statement too. @returns In their order. */
export async function readGovernances(
  execute: Execute,
  tenantId: string,
  questions: readonly GovernanceQuestion[],
): Promise<Governance[]> {
  const capabilities = JSON.stringify([...new Set(questions.map(({ capability }) => capability))]);
  const names = JSON.stringify([...new Set(questions.flatMap(({ secretNames }) => secretNames))]);
  const values = [tenantId, capabilities, tenantId, capabilities, tenantId, names];
  const [row] = await execute<GovernanceRow>(governanceStatement, values);
  const stored = new Set(row?.stored ?? []);
  return questions.map(({ capability }) => ({
    pinnedVendorId: row?.pins?.find((pin) => pin.capability === capability)?.vendorId,
    policies: row?.policies?.filter((policy) => policy.capability === capability) ?? [],
    stored,
  }));
}

interface GovernanceRow {
  readonly pins: { readonly capability: string; readonly vendorId: string }[] | null;
  readonly policies: Policy[] | null;
  readonly stored: string[] | null;
}

const governanceStatement = statement(
  "read-governance",
  `
select
  (select json_agg(json_build_object('capability', capability, 'vendorId', vendor_id)) from vendor_pin
   where tenant_id = ? and capability = any(array(select jsonb_array_elements_text(?::jsonb)))) as pins,
  (select json_agg(json_build_object('id', id, 'capability', capability, 'vendorId', vendor_id, 'requireApproval', require_approval,
    'approvers', approvers, 'callsPerDay', calls_per_day, 'costPerCall', cost_per_call, 'budgetPerMonth', budget_per_month))
   from live_action_policy where tenant_id = ? and capability = any(array(select jsonb_array_elements_text(?::jsonb)))) as policies,
  (select json_agg(name) from secret where tenant_id = ? and name = any(array(select jsonb_array_elements_text(?::jsonb)))) as stored`,
);

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
