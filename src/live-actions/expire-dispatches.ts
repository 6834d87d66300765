import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import { auditedEnd } from "./audit-dispatch.ts";

/** A dispatch that has ended, and whose tenant has yet to hear of it. */
export interface EndedDispatch {
  readonly id: string;
  readonly tenantId: string;
}

/**
 * Ends dispatches whose time for a decision is over by the database's clock: `approval_expired`, and their requests EXPIRED. The request's row
 * arbitrates, so that each has one outcome whoever looks, and whoever decides or withdraws it meanwhile; what is being decided just now is
 * left to the next look.
 * @returns At most `limits.expiredPerSweepMax`; there may be more.
 */
export function expireDispatches(em: EntityManager): Promise<EndedDispatch[]> {
  return em.execute<EndedDispatch[]>(expireSql, [limits.expiredPerSweepMax]);
}

const expireSql = `
with overdue as materialized (
  select id from approval where status = 'PENDING' and dispatch_id is not null and expires_at <= now()
  order by expires_at, id limit ? for update skip locked
), expired as (
  update approval set status = 'EXPIRED', changed_xid = pg_current_xact_id()::text::bigint
  from overdue where approval.id = overdue.id
  returning approval.tenant_id, approval.dispatch_id, approval.expires_at, 'Nobody decided about it until '
    || to_char(approval.expires_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') || ' UTC, so nobody was contacted.' as summary
), done as (
  update live_action_dispatch dispatch set state = 'COMPLETED', status = 'FAILED', error = 'approval_expired', summary = expired.summary,
    details = jsonb_build_object('message', expired.summary, 'expired_at', expired.expires_at), warnings = '[]',
    completed_at = clock_timestamp(), sealed_credentials = null, changed_xid = pg_current_xact_id()::text::bigint
  from expired
  where dispatch.id = expired.dispatch_id and dispatch.tenant_id = expired.tenant_id and dispatch.state = 'AWAITING_APPROVAL'
  returning dispatch.*
), ${auditedEnd("done")}
select id, tenant_id as "tenantId", pg_notify('riposte_run', id::text) from done`;
