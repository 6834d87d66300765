import type { EntityManager } from "@mikro-orm/postgresql";
import type { Approver } from "../approvals/approver.ts";
import { Approval } from "../approvals/entities.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { SealedFor } from "../secrets/seal.ts";
import type { AcceptedRequest } from "./accept-request.ts";
import type { Adapter } from "./adapter.ts";
import type { GivenCredential } from "./credentials.ts";
import { insertDispatch, type NewDispatch, type Written } from "./dispatch-rows.ts";

/** What a dispatch needs once it may run, and what may not stand in its row in clear. */
export interface SealedRequest {
  readonly target: string;
  readonly params: JsonObject;
  readonly given: readonly (readonly [name: string, credential: GivenCredential])[];
  /** See `CredentialSearch`: who asked decides, not who approves. */
  readonly mayRedirect: boolean;
}

export function requestPurpose(tenantId: string, dispatchId: string): SealedFor {
  return { tenantId, purpose: `dispatch:${dispatchId}` };
}

/** The request as the adapter would get it, for `Sealer.seal`. */
export function sealable(
  { target, params, given }: Pick<AcceptedRequest, "target" | "params" | "given">,
  mayRedirect: boolean,
): string {
  return JSON.stringify({ target, params, given: [...given], mayRedirect } satisfies SealedRequest);
}

/**
 * Writes down a dispatch that waits, and the request for approval that it waits for.
 * @param row Its state names the request.
 * @returns As `insertDispatches`: nobody is asked about what was not written.
 */
export function insertWaiting(
  em: EntityManager,
  row: NewDispatch & { readonly state: { readonly name: "AWAITING_APPROVAL" } },
  { adapter, approvers }: { readonly adapter: Adapter; readonly approvers: readonly Approver[] },
): Promise<Written> {
  return em.transactional(async (inner) => {
    const written = await insertDispatch(inner, row);
    const { dispatch } = written;
    if (!dispatch) return written;
    const { id, tenantId, capability, target, actor, state } = row;
    const { vendorId, impact } = adapter;
    const minutes = await approvalMinutes(inner, { tenantId, capability, vendorId });
    const what = row.rollbackOfId === undefined ? capability : `the rollback of ${capability}`;
    // Who it is comes first: whom it speaks for is only what it says.
    const who = row.requestedBy === undefined ? actor.name : `${actor.name}, for ${row.requestedBy},`;
    const message = `${who} asks for ${what} on ${target} with ${vendorId}.`;
    const approval = inner.create(Approval, {
      id: state.approvalId,
      tenantId,
      status: "PENDING",
      message: message.slice(0, limits.textLengthMax),
      approvers,
      dispatchId: id,
      requesterId: actor.id ?? null,
      // By the database's clock, as all that looks whether the time is over.
      expiresAt: new Date(dispatch.createdAt.getTime() + minutes * 60_000),
      effect: { liveAction: effectOf(row, { vendorId, impact }) },
    });
    await inner.persist(approval).flush();
    return written;
  });
}

/** How long people have: as the vendor's policy says, else the one of all vendors, else `limits.approvalMinutesDefault`. */
async function approvalMinutes(
  em: EntityManager,
  { tenantId, capability, vendorId }: { tenantId: string; capability: string; vendorId: string },
): Promise<number> {
  const rows = await em.execute<{ minutes: number }[]>(minutesSql, [tenantId, capability, vendorId, vendorId]);
  return rows[0]?.minutes ?? limits.approvalMinutesDefault;
}

const minutesSql = `
select approval_timeout_minutes as minutes from live_action_policy
where tenant_id = ? and capability = ? and coalesce(vendor_id, ?) = ? and approval_timeout_minutes is not null
order by vendor_id nulls last limit 1`;

function effectOf(
  { capability, target, params, caseId, requestedBy, rollbackOfId }: NewDispatch,
  { vendorId, impact }: Pick<Adapter, "vendorId" | "impact">,
): JsonObject {
  const isTooLarge = Buffer.byteLength(JSON.stringify(params)) > limits.approvalEffectBytesMax;
  return {
    ...{ capability, vendorId, target, impact, caseId: caseId ?? null, requestedBy: requestedBy ?? null },
    isRollback: rollbackOfId !== undefined,
    ...(isTooLarge ? { isShortened: true } : { params }),
  };
}
