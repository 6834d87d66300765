import { defineEntity, p } from "@mikro-orm/core";
import type { JsonObject } from "../core/json.ts";
import { createdAt, identity, tenantOwned } from "../database/columns.ts";

export const playbookFormats = ["YAML", "JSON"] as const;

/** What a step's reference was pinned to when its playbook was registered. */
export interface Pin {
  readonly stepId: string;
  /** As pinned: `name@MAJOR.MINOR` or `name@MAJOR.MINOR.PATCH`. */
  readonly actionRef: string;
  readonly actionId: string;
}

const PlaybookSchema = defineEntity({
  name: "Playbook",
  tableName: "playbook",
  uniques: [{ properties: ["tenantId", "key"] }],
  indexes: [{ properties: ["tenantId", "event"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    /** The document's `id`. */
    key: p.string().length(128),
    enabled: p.boolean(),
    activeVersionId: p.uuid(),
    // The catalogue's card, copied from the active version.
    name: p.string().length(255),
    description: p.text().nullable(),
    tags: p.array(),
    event: p.string().length(64),
    trigger: p.json().$type<JsonObject>(),
  },
});
export class Playbook extends PlaybookSchema.class {}
PlaybookSchema.setClass(Playbook);

const PlaybookVersionSchema = defineEntity({
  name: "PlaybookVersion",
  tableName: "playbook_version",
  uniques: [{ properties: ["playbookId", "major", "minor", "patch"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    playbookId: () => p.manyToOne(Playbook).mapToPk().joinColumn("playbook_id"),
    version: p.string().length(32),
    major: p.integer(),
    minor: p.integer(),
    patch: p.integer(),
    /** Byte for byte as it was sent. */
    source: p.text(),
    format: p.enum(playbookFormats),
    /** The source parsed: plain JSON. */
    document: p.json().$type<JsonObject>(),
    pins: p.json().$type<readonly Pin[]>(),
  },
});
export class PlaybookVersion extends PlaybookVersionSchema.class {}
PlaybookVersionSchema.setClass(PlaybookVersion);

/** Counts the changes to a tenant's playbooks: who keeps something of them in memory sees by it whether that is still true. */
const PlaybookChangeSchema = defineEntity({
  name: "PlaybookChange",
  tableName: "playbook_change",
  properties: {
    tenantId: p.uuid().primary(),
    number: p.bigint("number"),
  },
});
export class PlaybookChange extends PlaybookChangeSchema.class {}
PlaybookChangeSchema.setClass(PlaybookChange);

/** When an enabled playbook with `event: schedule` starts next; there is a row for no other. */
const ScheduleSchema = defineEntity({
  name: "Schedule",
  tableName: "schedule",
  indexes: [{ properties: ["nextAt"] }],
  properties: {
    playbookId: () => p.oneToOne(Playbook).mapToPk().joinColumn("playbook_id").primary(),
    ...tenantOwned,
    cron: p.string().length(128),
    timezone: p.string().length(64),
    /** The first tick that has not been an event yet. */
    nextAt: p.datetime(),
  },
});
export class Schedule extends ScheduleSchema.class {}
ScheduleSchema.setClass(Schedule);
