import { raw } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { Approval } from "../approvals/entities.ts";
import type { JsonObject } from "../core/json.ts";
import { failed } from "./dispatch-result.ts";
import { completeDispatch } from "./dispatch-rows.ts";
import type { LiveActionDispatch } from "./entities.ts";

/** Why nobody is to decide any more. */
export interface Withdrawal {
  /** `cancelled`, `timed_out` or `withdrawn`. */
  readonly error: string;
  readonly summary: string;
  /** Besides the message, which is the summary. */
  readonly details?: JsonObject;
}

/**
 * Ends a dispatch that waits for people, and their request with it. The request's row arbitrates: where somebody has decided, or its time was
 * over, it stays so.
 * @returns The dispatch as it ended; undefined where it does not wait any more.
 */
export function withdrawDispatch(
  em: EntityManager,
  { id, tenantId, approvalId }: Pick<LiveActionDispatch, "id" | "tenantId" | "approvalId">,
  { error, summary, details }: Withdrawal,
): Promise<LiveActionDispatch | undefined> {
  return em.transactional(async (inner) => {
    const changedXid = raw("pg_current_xact_id()::text::bigint");
    const pending = { id: approvalId ?? id, tenantId, status: "PENDING" } as const;
    const closed = await inner.nativeUpdate(Approval, pending, { status: "CLOSED", changedXid });
    if (closed === 0) return undefined;
    return completeDispatch(inner, { id, tenantId }, failed(error, summary, { message: summary, ...details }));
  });
}
