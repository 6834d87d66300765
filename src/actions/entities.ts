import { defineEntity, p } from "@mikro-orm/core";
import type { JsonObject } from "../core/json.ts";
import { createdAt, identity, tenantOwned } from "../database/columns.ts";

export const actionTypes = ["REMEDIATION", "ENRICHMENT", "NOTIFICATION", "INVESTIGATION", "CONTAINMENT"] as const;
export const executorTypes = ["LOCAL", "REMOTE", "OPSERVANT"] as const;
export const actionVersionStatuses = ["REGISTERED", "HELD_BACK", "WITHDRAWN"] as const;

const ActionSchema = defineEntity({
  name: "Action",
  tableName: "action",
  uniques: [{ properties: ["tenantId", "name"] }, { properties: ["tenantId", "uuid"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    /** The definition's `id`: unique in the tenant, where our own key is unique everywhere. */
    uuid: p.uuid(),
    name: p.string().length(128),
    enabled: p.boolean(),
    /** The active version's; null when every version was withdrawn. Not a foreign key, since versions point here. */
    activeVersionId: p.uuid().nullable(),
    // The catalogue's card: copied from the active version (or the last that was), so that a page of it is one statement.
    type: p.enum(actionTypes),
    description: p.text(),
    tags: p.array(),
    executorType: p.enum(executorTypes),
  },
});
export class Action extends ActionSchema.class {}
ActionSchema.setClass(Action);

const ActionVersionSchema = defineEntity({
  name: "ActionVersion",
  tableName: "action_version",
  uniques: [{ properties: ["actionId", "major", "minor", "patch"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    actionId: () => p.manyToOne(Action).mapToPk().joinColumn("action_id"),
    version: p.string().length(32),
    major: p.integer(),
    minor: p.integer(),
    patch: p.integer(),
    status: p.enum(actionVersionStatuses).default("REGISTERED"),
    withdrawnReason: p.text().nullable(),
    /** As registered, with the defaults left out as the author left them. */
    definition: p.json().$type<JsonObject>(),
    executorType: p.enum(executorTypes),
  },
});
export class ActionVersion extends ActionVersionSchema.class {}
ActionVersionSchema.setClass(ActionVersion);

const ActionFileSchema = defineEntity({
  name: "ActionFile",
  tableName: "action_file",
  uniques: [{ properties: ["versionId", "path"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    versionId: () => p.manyToOne(ActionVersion).mapToPk().joinColumn("version_id"),
    path: p.string().length(255),
    content: p.blob(),
    sha256: p.string().length(64),
    bytes: p.integer(),
    executable: p.boolean().default(false),
  },
});
export class ActionFile extends ActionFileSchema.class {}
ActionFileSchema.setClass(ActionFile);
