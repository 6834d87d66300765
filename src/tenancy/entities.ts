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

/** A person, as the latest of their JWTs told: for what they have asked for and what waits without them. Nobody who has not come is here. */
const PersonSchema = defineEntity({
  name: "Person",
  tableName: "person",
  checks: [
    { name: "person_revoked_before_an_instant", expression: "(revoked_at is null) = (revoked_before is null)" },
    { name: "person_came_or_was_revoked", expression: "issued_at is not null or revoked_at is not null" },
  ],
  indexes: [{ properties: ["tenantId", "issuedAt"] }],
  properties: {
    /** Of issuer and subject: neither is kept. */
    id: p.uuid().primary(),
    tenantId: p.uuid().primary(),
    roles: p.array(),
    /** Of that JWT, by its issuer's clock; where it does not say, the earliest that it can have been. Null where they have not come yet. */
    issuedAt: p.datetime().nullable(),
    /** When somebody revoked their JWTs last, by the database's clock. What they had asked for by then is not carried out. */
    revokedAt: p.datetime().nullable(),
    /** A JWT has to be issued after this, by its issuer's clock. */
    revokedBefore: p.datetime().nullable(),
  },
});
export class Person extends PersonSchema.class {}
PersonSchema.setClass(Person);
