import { defineEntity, p } from "@mikro-orm/core";
import type { Json } from "../core/json.ts";
import { createdAt, identity, tenantOwned } from "../database/columns.ts";
import { type Approver, approvalStatuses } from "./approver.ts";

/**
 * A request for a decision. The row is what arbitrates between a decision, the end of its time and the end of its run: only the first to
 * change it from PENDING counts.
 */
const ApprovalSchema = defineEntity({
  name: "Approval",
  tableName: "approval",
  checks: [
    {
      name: "approval_decided_by_somebody",
      expression:
        "(status in ('APPROVED','REJECTED')) = (decided_at is not null) and (decided_at is null) = (decided_by_kind is null)",
    },
    {
      name: "approval_is_of_a_step",
      expression: "(run_id is null) = (step_id is null) and (run_id is null or dispatch_id is null)",
    },
  ],
  // Lists are by id, newest first: of all, and of those that stand somehow.
  indexes: [
    { properties: ["tenantId", "id"] },
    { properties: ["tenantId", "status", "id"] },
    { properties: ["tenantId", "changedXid"] },
    {
      name: "approval_of_dispatch_due",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.expiresAt}") where "${columns.status}" = 'PENDING' and "${columns.dispatchId}" is not null`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    /** When it was requested. */
    ...createdAt,
    status: p.enum(approvalStatuses),
    message: p.text().nullable(),
    approvers: p.json().$type<readonly Approver[]>(),
    // No foreign key: rows are written by the journal, many at once.
    runId: p.uuid().nullable(),
    stepId: p.string().length(128).nullable(),
    /** The live action that waits for it, where no run does. */
    dispatchId: p.uuid().nullable(),
    /** The token or person behind the run: may not decide, unless the tenant allows it. Null where nobody is. */
    requesterId: p.uuid().nullable(),
    /** What an approval lets happen, as it was worked out when it was requested. */
    effect: p.json().$type<Json>().nullable(),
    expiresAt: p.datetime().nullable(),
    decidedAt: p.datetime().nullable(),
    decidedByKind: p.enum(["TOKEN", "MEMBER", "AGENT", "SYSTEM"] as const).nullable(),
    decidedByName: p.string().length(255).nullable(),
    decidedById: p.uuid().nullable(),
    comment: p.text().nullable(),
    /** The transaction that changed it last: streams of a tenant read what changed since a snapshot by it. */
    changedXid: p.bigint("number").defaultRaw("((pg_current_xact_id())::text)::bigint"),
  },
});
export class Approval extends ApprovalSchema.class {}
ApprovalSchema.setClass(Approval);
