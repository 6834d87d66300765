import type { EntityManager } from "@mikro-orm/postgresql";
import type { Approval } from "../approvals/entities.ts";
import { isUuid } from "../core/ids.ts";

interface Asked {
  readonly tenantId: string;
  readonly runId: string;
}

/**
 * When whoever is behind a run asked for it: started it, emitted its event, or began the chain that led to it. Undefined where there is no
 * such run.
 */
export async function runAskedAt(em: EntityManager, { tenantId, runId }: Asked): Promise<Date | undefined> {
  const rows = await em.execute<{ ms: string | null }[]>(askedAtSql, [tenantId, runId, runId, tenantId]);
  const ms = rows[0]?.ms;
  return ms == null ? undefined : new Date(Number(ms));
}

/** The same of a request for approval: that of a run, which asks when it gets there. */
export async function approvalAskedAt(em: EntityManager, approval: Approval): Promise<Date | undefined> {
  const { tenantId, runId, createdAt } = approval;
  if (runId == null) return undefined;
  return earlier(await runAskedAt(em, { tenantId, runId }), createdAt);
}

/** The same of a live action, whose request id names its run where a step dispatched it (see `requestKey`). */
export async function dispatchAskedAt(
  em: EntityManager,
  {
    tenantId,
    requestId,
    createdAt,
  }: { readonly tenantId: string; readonly requestId: string; readonly createdAt: Date },
): Promise<Date> {
  const runId = requestId.split(":")[0] as string;
  return earlier(isUuid(runId) ? await runAskedAt(em, { tenantId, runId }) : undefined, createdAt);
}

function earlier(one: Date | undefined, other: Date): Date {
  return one !== undefined && one < other ? one : other;
}

const askedAtSql = `
select extract(epoch from min(least(run.created_at, event.created_at))) * 1000 as ms
from run left join trigger_event event on event.id = run.event_id and event.tenant_id = run.tenant_id
where run.tenant_id = ? and run.id in (?::uuid, (select (chain->>'rootId')::uuid from run where id = ? and tenant_id = ?))`;
