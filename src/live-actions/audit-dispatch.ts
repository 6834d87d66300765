import type { Deed } from "../audit/record-audit.ts";
import type { DispatchResult } from "./dispatch-result.ts";

/** What is said of a dispatch when it is written down. */
interface Begun {
  /** The root field that asked for it; a step of a run asks as `dispatchLiveAction`. */
  readonly operation: string;
  readonly requestId: string;
  readonly capability: string;
  readonly vendorId: string | undefined;
  readonly mode: string;
  readonly target: string;
  readonly caseId: string | undefined;
  readonly requestedBy: string | undefined;
  readonly cost: number;
  readonly inputHash: string;
  readonly rollbackOfId?: string;
  readonly reason?: string | undefined;
  readonly state: { readonly name: string; readonly result?: DispatchResult };
}

/**
 * What the audit trail says of a dispatch that begins: `accepted` where the vendor is called next, `awaiting_approval`, or the status that it has
 * at once. Params are not in it: its row has them, and `inputHash` binds the entry to them.
 */
export function beginningDeed(begun: Begun): Deed {
  const { operation, requestId, capability, vendorId = null, mode, target, cost, inputHash, state } = begun;
  const { caseId = null, requestedBy = null, rollbackOfId = null, reason = null } = begun;
  const { result } = state;
  const outcome = result?.status.toLowerCase() ?? (state.name === "RUNNING" ? "accepted" : "awaiting_approval");
  return {
    operation,
    subject: targetSubject(target),
    outcome,
    detail: {
      ...{ requestId, capability, vendorId, mode, caseId, requestedBy, cost, inputHash },
      ...(rollbackOfId === null ? {} : { rollbackOfId, reason }),
      ...(result ? { error: result.error ?? null } : {}),
    },
  };
}

/** Of all that is done to a target, whoever does it and by whatever capability. */
function targetSubject(target: string): string {
  return `target:${target}`;
}

/**
 * A CTE that writes what came of dispatches, as `completeLiveAction` of those who asked for them. `ended` is the CTE before it, with their rows as
 * they are now. Takes no parameter.
 */
export function auditedEnd(ended: string): string {
  return `audited as (
  insert into audit_entry (id, tenant_id, at, actor_kind, actor_id, actor_name, operation, subject, outcome, detail)
  select uuidv7(), tenant_id, clock_timestamp(), actor_kind, actor_id, actor_name, 'completeLiveAction',
    case when length(target) > 505 then 'target:' || left(target, 504) || '…' else 'target:' || target end, lower(status),
    jsonb_build_object('requestId', request_id, 'capability', capability, 'vendorId', vendor_id, 'error', error, 'cost', cost,
      'caseId', case_id, 'requestedBy', requested_by, 'isRollback', rollback_of_id is not null)
  from ${ended}
)`;
}
