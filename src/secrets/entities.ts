import { defineEntity, p } from "@mikro-orm/core";
import { createdAt, identity, tenantOwned, updatedAt } from "../database/columns.ts";

const SecretSchema = defineEntity({
  name: "Secret",
  tableName: "secret",
  uniques: [{ properties: ["tenantId", "name"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    ...updatedAt,
    name: p.string().length(128),
    /** Compact JWE of the value; its protected header names the key. */
    sealed: p.text(),
    keyId: p.string().length(64),
    lastUsedAt: p.datetime().nullable(),
  },
});
export class Secret extends SecretSchema.class {}
SecretSchema.setClass(Secret);

const VariableSchema = defineEntity({
  name: "Variable",
  tableName: "variable",
  uniques: [{ properties: ["tenantId", "name"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    ...updatedAt,
    name: p.string().length(128),
    value: p.text(),
  },
});
export class Variable extends VariableSchema.class {}
VariableSchema.setClass(Variable);
