import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { RegularLook } from "../core/regular-look.ts";
import { auditedEnd } from "./audit-dispatch.ts";
import type { PerformerPorts } from "./performer.ts";

export interface SweeperPorts {
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly news: Pick<PerformerPorts["news"], "tellTenant">;
  readonly log: Log;
}

/**
 * Ends dispatches whose node died while it called the vendor, on any node. Nobody knows whether they took effect, so none is called again:
 * they end as `effect_unknown`, for a person to look. Looks each `limits.sweepMs`.
 */
export class DispatchSweeper extends RegularLook {
  constructor(ports: SweeperPorts) {
    super(() => look(ports));
  }
}

async function look({ em, news, log }: SweeperPorts): Promise<number> {
  try {
    const lost = await em().execute<{ id: string; tenantId: string }[]>(sweepSql, [effectUnknown, details]);
    for (const { id, tenantId } of lost) {
      log.warn({ id }, "live_action.lost");
      news.tellTenant(tenantId);
    }
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
