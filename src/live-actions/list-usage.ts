import { BadInputError } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";

export interface Usage {
  readonly vendorId: string;
  readonly capability: string;
  readonly calls: number;
  /** In the currency that the tenant's policies count in. */
  readonly cost: number;
}

/**
 * What the tenant called, and what that cost, by pair: of every UTC day that the span from `from` to before `to` touches.
 * @throws BadInputError where it ends before it begins.
 */
export async function listUsage(
  { em, tenantId }: OperationContext,
  { from, to }: { readonly from: Date; readonly to: Date },
): Promise<Usage[]> {
  if (to < from) throw new BadInputError("The span ends before it begins: give an earlier `from`.");
  const rows = await em.execute<{ vendorId: string; capability: string; calls: string; cost: number }[]>(usageSql, [
    ...[tenantId, from.toISOString(), to.toISOString()],
  ]);
  return rows.map((row) => ({ ...row, calls: Number(row.calls) }));
}

const usageSql = `
select vendor_id as "vendorId", capability, sum(calls) as calls, sum(cost) as cost
from live_action_usage
where tenant_id = ? and day >= (?::timestamptz at time zone 'utc')::date and day < (?::timestamptz at time zone 'utc')
group by vendor_id, capability having sum(calls) > 0 order by vendor_id, capability`;
