import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { RegularLook } from "../core/regular-look.ts";
import { auditedEnd } from "./audit-dispatch.ts";
import { type EndedDispatch, expireDispatches } from "./expire-dispatches.ts";
import type { PerformerPorts } from "./performer.ts";

export interface SweeperPorts {
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly news: Pick<PerformerPorts["news"], "tellTenant">;
  readonly log: Log;
}

/**
 * Ends what would never end by itself, on any node. Dispatches whose node died while it called the vendor: nobody knows whether they took
 * effect, so none is called again, and they end as `effect_unknown`, for a person to look. And those that people have not decided about in
 * time. Looks each `limits.sweepMs`.
 */
export class DispatchSweeper extends RegularLook {
  constructor(ports: SweeperPorts) {
    super(() => look(ports));
  }
}

async function look({ em, news, log }: SweeperPorts): Promise<number> {
  try {
    const lost = await em().execute<EndedDispatch[]>(sweepSql, [effectUnknown, details]);
    for (const { id, tenantId } of lost) {
      log.warn({ id }, "live_action.lost");
      news.tellTenant(tenantId);
    }
    const expired = await expireDispatches(em());
    for (const tenantId of new Set(expired.map((one) => one.tenantId))) news.tellTenant(tenantId);
    for (const { id } of expired) log.info({ id }, "live_action.approval_expired");
    if (expired.length >= limits.expiredPerSweepMax) return 0;
  } catch (error) {
    log.warn({ message: (error as Error).message }, "live_action.sweep_failed");
  }
  return limits.sweepMs;
}

const effectUnknown =
  "The server that called the vendor stopped before it wrote down what came of it. Whether it took effect is unknown.";
const details = JSON.stringify({ message: `${effectUnknown} A person has to look at the vendor.`, needs_person: true });

const sweepSql = `
with lost as (
  update live_action_dispatch set state = 'COMPLETED', status = 'FAILED', error = 'effect_unknown', summary = ?, details = ?::jsonb,
    warnings = '[]', completed_at = clock_timestamp(), sealed_credentials = null, lease_until = null,
    changed_xid = pg_current_xact_id()::text::bigint
  where state = 'RUNNING' and lease_until < clock_timestamp()
  returning *
), ${auditedEnd("lost")}
select id, tenant_id as "tenantId", pg_notify('riposte_run', id::text) from lost`;
