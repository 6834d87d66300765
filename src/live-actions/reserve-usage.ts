import type { EntityManager } from "@mikro-orm/postgresql";
import type { Adapter } from "./adapter.ts";
import { type DispatchResult, failed } from "./dispatch-result.ts";
import { type Policy, policiesFor } from "./governance.ts";

type Pair = Pick<Adapter, "vendorId" | "capability">;

/** True where a tenant bounds the calls of a pair, or what they cost. */
export function isBounded(policies: readonly Policy[], pair: Pair): boolean {
  return policiesFor(policies, pair).some((policy) => policy.callsPerDay != null || policy.budgetPerMonth != null);
}

/**
 * Whether one more call of a pair fits what its tenant allows: by UTC days, and by UTC months. Locks the policies, so that of two calls that
 * take the last of a budget the second waits, and sees what the first took: count the call in the same transaction.
 * @returns The refusal; undefined where it fits.
 */
export async function refuseBeyondQuota(
  em: EntityManager,
  tenantId: string,
  { vendorId, capability, cost }: Pair & { readonly cost: number },
): Promise<DispatchResult | undefined> {
  const bounds = await em.execute<Bound[]>(lockSql, [tenantId, capability, vendorId]);
  for (const { callsPerDay, budgetPerMonth, isOfVendor } of bounds) {
    const [used] = await em.execute<Used[]>(usedSql, [tenantId, capability, isOfVendor ? vendorId : null, vendorId]);
    const calls = Number(used?.calls ?? 0);
    const spent = amount(Number(used?.cost ?? 0));
    const whose = isOfVendor ? `${capability} with ${vendorId}` : capability;
    if (callsPerDay != null && calls >= callsPerDay) {
      return quotaExceeded(`${whose} was called ${calls} times today; ${callsPerDay} a day are allowed.`, {
        ...{ calls_per_day: callsPerDay, calls_today: calls },
      });
    }
    if (budgetPerMonth != null && amount(spent + cost) > budgetPerMonth) {
      const message = `${whose} has cost ${spent} this month; with this call it would exceed the budget of ${budgetPerMonth}.`;
      return quotaExceeded(message, { budget_per_month: budgetPerMonth, cost_this_month: spent, cost_per_call: cost });
    }
  }
  return undefined;
}

/** Of a sum as people count it: three times 0.1 is 0.3 and not a little more. */
function amount(sum: number): number {
  return Number(sum.toPrecision(12));
}

function quotaExceeded(message: string, details: Record<string, number>): DispatchResult {
  return failed("quota_exceeded", `${message} Nobody was contacted.`, { ...details, message });
}

interface Bound {
  readonly callsPerDay: number | null;
  readonly budgetPerMonth: number | null;
  readonly isOfVendor: boolean;
}

const lockSql = `
select calls_per_day as "callsPerDay", budget_per_month as "budgetPerMonth", vendor_id is not null as "isOfVendor"
from live_action_policy
where tenant_id = ? and capability = ? and (vendor_id is null or vendor_id = ?)
  and (calls_per_day is not null or budget_per_month is not null)
order by id for update`;

interface Used {
  readonly calls: string | null;
  readonly cost: string | null;
}

const usedSql = `
select sum(calls) filter (where day = (now() at time zone 'utc')::date) as calls, sum(cost) as cost
from live_action_usage
where tenant_id = ? and capability = ? and (?::text is null or vendor_id = ?)
  and day >= date_trunc('month', now() at time zone 'utc')::date`;
