import { defineEntity, p } from "@mikro-orm/core";
import { identity, tenantOwned } from "../database/columns.ts";

/**
 * One deed that changed something, written in the deed's own transaction. The background sealer then numbers the entries of a tenant from 1 without
 * gaps and chains them: until then `sequence`, `previousHash` and `hash` are null. Nothing changes afterwards.
 */
const AuditEntrySchema = defineEntity({
  name: "AuditEntry",
  tableName: "audit_entry",
  uniques: [{ properties: ["tenantId", "sequence"] }],
  checks: [
    {
      name: "audit_entry_sealed_whole",
      expression: "(sequence is null) = (hash is null) and (sequence is not null or previous_hash is null)",
    },
  ],
  indexes: [
    {
      name: "audit_entry_unsealed",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.tenantId}", "${columns.id}") where "${columns.sequence}" is null`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    at: p.datetime(),
    actorKind: p.string().length(16),
    actorId: p.uuid().nullable(),
    actorName: p.string().length(255),
    /** The root field, such as `executePlaybook`. */
    operation: p.string().length(64),
    /** What it was done to, such as `playbook:critical-response` or `run:<uuid>`. */
    subject: p.string().length(512).nullable(),
    /** In lower case: `succeeded`, or how it ended otherwise. */
    outcome: p.string().length(64),
    /** What there is to say besides, masked, bounded. */
    detail: p.json().$type<unknown>().nullable(),
    sequence: p.bigint("number").nullable(),
    /** Hex SHA-256 of the entry before; null for the first. */
    previousHash: p.string().length(64).nullable(),
    hash: p.string().length(64).nullable(),
  },
});
export class AuditEntry extends AuditEntrySchema.class {}
AuditEntrySchema.setClass(AuditEntry);

/** Where a tenant's chain ends. Its seal is made with the server's key: who can write the tables only can't make up another chain. */
const AuditChainSchema = defineEntity({
  name: "AuditChain",
  tableName: "audit_chain",
  properties: {
    tenantId: p.uuid().primary(),
    /** Of the last sealed entry. */
    sequence: p.bigint("number"),
    hash: p.string().length(64),
    /** Compact JWE of both. */
    sealed: p.text(),
  },
});
export class AuditChain extends AuditChainSchema.class {}
AuditChainSchema.setClass(AuditChain);
