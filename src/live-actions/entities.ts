import { defineEntity, p } from "@mikro-orm/core";
import type { Approver } from "../approvals/approver.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { createdAt, identity, tenantOwned } from "../database/columns.ts";

export const dispatchStates = ["RUNNING", "AWAITING_APPROVAL", "COMPLETED"] as const;
export const dispatchModes = ["LIVE", "DRY_RUN"] as const;
export const resultStatuses = ["SUCCEEDED", "SIMULATED", "FAILED"] as const;
const actorKinds = ["TOKEN", "MEMBER", "AGENT", "SYSTEM"] as const;

/** One capability asked of one vendor for one target, and what came of it. */
const DispatchSchema = defineEntity({
  name: "LiveActionDispatch",
  tableName: "live_action_dispatch",
  checks: [
    {
      name: "live_action_dispatch_completed_iff_result",
      expression: "(state = 'COMPLETED') = (status is not null) and (status is null) = (completed_at is null)",
    },
    { name: "live_action_dispatch_failed_iff_error", expression: "(status = 'FAILED') = (error is not null)" },
    {
      name: "live_action_dispatch_credentials_are_erased",
      expression: "state <> 'COMPLETED' or sealed_credentials is null",
    },
  ],
  // The same request id means a preview and an execution apart.
  uniques: [{ properties: ["tenantId", "mode", "requestId"] }],
  indexes: [
    { properties: ["tenantId", "id"] },
    { properties: ["tenantId", "changedXid"] },
    { properties: ["tenantId", "vendorId", "capability", "createdAt"] },
    {
      name: "live_action_dispatch_running",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.leaseUntil}") where "${columns.state}" = 'RUNNING'`,
    },
    // A thing is undone once: what was tried and did not succeed may be tried again.
    {
      name: "live_action_dispatch_rolls_back_once",
      expression: (columns, table, indexName) =>
        `create unique index "${indexName}" on "${table.name}" ("${columns.rollbackOfId}") where "${columns.rollbackOfId}" is not null and ("${columns.status}" is null or "${columns.status}" = 'SUCCEEDED')`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    /** When it was requested. */
    ...createdAt,
    requestId: p.string().length(255),
    mode: p.enum(dispatchModes),
    state: p.enum(dispatchStates),
    capability: p.string().length(128),
    /** Null where none was given and none could be chosen. */
    vendorId: p.string().length(128).nullable(),
    target: p.text(),
    /** Without credentials. */
    params: p.json().$type<JsonObject>(),
    /** Credentials that the request named, as they may be seen: a secret's text as `***`. Null where it named none. */
    givenCredentials: p.json().$type<JsonObject>().nullable(),
    /** Credentials given in the params, as one JWE, while the dispatch waits for an approval. */
    sealedCredentials: p.text().nullable(),
    caseId: p.string().length(255).nullable(),
    /** Whom the caller speaks for, as it says; `actor` is who it is. */
    requestedBy: p.string().length(255).nullable(),
    actorKind: p.enum(actorKinds),
    actorName: p.string().length(255),
    actorId: p.uuid().nullable(),
    /** SHA-256 of the canonical request: tells a repetition from another request under the same id. */
    inputHash: p.string().length(64),
    cost: p.double().$type<number>().default(0),
    approvalId: p.uuid().nullable(),
    /** The dispatch that this one undoes. */
    rollbackOfId: p.uuid().nullable(),
    /** Why, where somebody said so. */
    reason: p.text().nullable(),
    /** While it runs: when its node must have ended it or is dead. */
    leaseUntil: p.datetime().nullable(),
    status: p.enum(resultStatuses).nullable(),
    summary: p.text().nullable(),
    details: p.json().$type<Json>().nullable(),
    error: p.string().length(128).nullable(),
    warnings: p.json().$type<readonly string[]>().nullable(),
    completedAt: p.datetime().nullable(),
    changedXid: p.bigint("number").defaultRaw("((pg_current_xact_id())::text)::bigint"),
  },
});
export class LiveActionDispatch extends DispatchSchema.class {}
DispatchSchema.setClass(LiveActionDispatch);

/** The vendor that a tenant's requests go to which name none. */
const VendorPinSchema = defineEntity({
  name: "VendorPin",
  tableName: "vendor_pin",
  uniques: [{ properties: ["tenantId", "capability"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    capability: p.string().length(128),
    vendorId: p.string().length(128),
  },
});
export class VendorPin extends VendorPinSchema.class {}
VendorPinSchema.setClass(VendorPin);

/** What a tenant allows of a capability, for one vendor or for all. */
const LiveActionPolicySchema = defineEntity({
  name: "LiveActionPolicy",
  tableName: "live_action_policy",
  uniques: [
    {
      name: "live_action_policy_of",
      expression: (columns, table, indexName) =>
        `create unique index "${indexName}" on "${table.name}" ("${columns.tenantId}", "${columns.capability}", coalesce("${columns.vendorId}", ''))`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    capability: p.string().length(128),
    vendorId: p.string().length(128).nullable(),
    requireApproval: p.boolean().default(false),
    approvers: p.json().$type<readonly Approver[]>(),
    /** How long they have; null: `limits.approvalMinutesDefault`. */
    approvalTimeoutMinutes: p.integer().nullable(),
    callsPerDay: p.integer().nullable(),
    costPerCall: p.double().$type<number>().nullable(),
    budgetPerMonth: p.double().$type<number>().nullable(),
  },
});
export class LiveActionPolicy extends LiveActionPolicySchema.class {}
LiveActionPolicySchema.setClass(LiveActionPolicy);

/** What was called and what it cost, by day: reserved before a vendor is called, so that no two calls take the last of a budget. */
const LiveActionUsageSchema = defineEntity({
  name: "LiveActionUsage",
  tableName: "live_action_usage",
  uniques: [{ properties: ["tenantId", "day", "capability", "vendorId"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    /** UTC. */
    day: p.date(),
    capability: p.string().length(128),
    vendorId: p.string().length(128),
    calls: p.integer(),
    cost: p.double().$type<number>(),
  },
});
export class LiveActionUsage extends LiveActionUsageSchema.class {}
LiveActionUsageSchema.setClass(LiveActionUsage);
