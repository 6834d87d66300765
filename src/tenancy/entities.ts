import { defineEntity, p } from "@mikro-orm/core";
import { createdAt, identity } from "../database/columns.ts";

const TenantSchema = defineEntity({
  name: "Tenant",
  tableName: "tenant",
  checks: [
    { name: "tenant_reason_only_while_disabled", expression: "disabled_reason is null or disabled_at is not null" },
  ],
  properties: {
    ...identity,
    ...createdAt,
    name: p.string().length(128).unique(),
    /** Whether who asked for something may approve it. */
    allowSelfApproval: p.boolean().default(false),
    /** Whether a newly registered action starts disabled whatever its definition says. */
    newActionsStartDisabled: p.boolean().default(false),
    /** Since when nothing is done for it; null while it is enabled. */
    disabledAt: p.datetime().nullable(),
    /** What who disabled it gave as the reason: for who operates the server. */
    disabledReason: p.text().nullable(),
  },
});
export class Tenant extends TenantSchema.class {}
TenantSchema.setClass(Tenant);

const ApiTokenSchema = defineEntity({
  name: "ApiToken",
  tableName: "api_token",
  indexes: [{ properties: ["tenantId", "createdAt"] }],
  properties: {
    ...identity,
    ...createdAt,
    tenantId: () => p.manyToOne(Tenant).mapToPk().joinColumn("tenant_id"),
    name: p.string().length(128),
    /** SHA-256 of the token's text, hex: the text itself (256 random bits) is stored nowhere. */
    hash: p.string().length(64).unique(),
    roles: p.array(),
    expiresAt: p.datetime().nullable(),
    revokedAt: p.datetime().nullable(),
    lastUsedAt: p.datetime().nullable(),
  },
});
export class ApiToken extends ApiTokenSchema.class {}
ApiTokenSchema.setClass(ApiToken);
