import type { EntityManager } from "@mikro-orm/postgresql";
import type { Approver } from "../approvals/approver.ts";
import type { JsonObject } from "../core/json.ts";
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
  /** Which secrets the tenant has, of those that were asked for. */
  readonly stored: ReadonlySet<string>;
  /** All of that as the database writes it: it is the same as long as this text is. */
  readonly said: string;
}

/** What is asked about a tenant. */
export interface GovernanceQuestion {
  readonly tenantId: string;
  readonly capability: string;
  /** As many as are credentials of the capability's vendors. */
  readonly secretNames: readonly string[];
}

/** All that a dispatch has to know of its tenant, by one statement. */
export async function readGovernance(em: EntityManager, question: GovernanceQuestion): Promise<Governance> {
  const [governance] = await readGovernances(executeIn(em), [question]);
  return governance as Governance;
}

/** The same for several dispatches of a tenant, by one statement too. @returns In their order. */
export async function readGovernances(
  execute: Execute,
  questions: readonly GovernanceQuestion[],
): Promise<Governance[]> {
  const keys = questions.map((question) => JSON.stringify(questionJson(question)));
  const distinct = [...new Set(keys)];
  const rows = await execute<{ said: string }>(governanceStatement, [`[${distinct.join(",")}]`]);
  const governances = new Map(rows.map(({ said }, index) => [distinct[index] as string, governanceOf(said)]));
  return keys.map((key) => governances.get(key) as Governance);
}

/** A question for {@link askedSql}, and what the answer is expected to be. */
export function questionJson({ tenantId, capability, secretNames }: GovernanceQuestion, expected?: string): JsonObject {
  const question = { tenant_id: tenantId, capability, secret_names: secretNames };
  return expected === undefined ? question : { ...question, expected };
}

/** What a tenant says, from the text in which the database wrote it. */
function governanceOf(said: string): Governance {
  const { pinnedVendorId, policies, stored } = JSON.parse(said) as SaidGovernance;
  return {
    pinnedVendorId: pinnedVendorId ?? undefined,
    policies: policies ?? [],
    stored: new Set(stored ?? []),
    said,
  };
}

interface SaidGovernance {
  readonly pinnedVendorId: string | null;
  readonly policies: Policy[] | null;
  readonly stored: string[] | null;
}

/**
 * A CTE that answers the questions of a placeholder, a JSON list as {@link questionJson} makes them: the `number` of each, from 1, what is `said` now,
 * always in the same words, and whether that is as `expected`.
 */
export const askedSql = `asked as materialized (
  select number, said, said = question ->> 'expected' as is_expected
  from jsonb_array_elements(?::jsonb) with ordinality as questions (question, number), lateral (select json_build_object(
    'pinnedVendorId', (select vendor_id from vendor_pin
      where tenant_id = (question ->> 'tenant_id')::uuid and capability = question ->> 'capability'),
    'policies', (select json_agg(json_build_object('id', id, 'capability', capability, 'vendorId', vendor_id, 'requireApproval', require_approval,
        'approvers', approvers, 'callsPerDay', calls_per_day, 'costPerCall', cost_per_call, 'budgetPerMonth', budget_per_month) order by id)
      from live_action_policy where tenant_id = (question ->> 'tenant_id')::uuid and capability = question ->> 'capability'),
    'stored', (select json_agg(name order by name) from secret
      where tenant_id = (question ->> 'tenant_id')::uuid and name = any(array(select jsonb_array_elements_text(question -> 'secret_names'))))
  )::text as said) as answer
)`;

export const governanceStatement = statement(
  "read-governance",
  `with ${askedSql} select said from asked order by number`,
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
