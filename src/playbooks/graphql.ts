import type { EntityManager } from "@mikro-orm/postgresql";
import DataLoader from "dataloader";
import { resolvePinned } from "../actions/resolve-version.ts";
import { DomainFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import type { Json } from "../core/json.ts";
import { resolvePage } from "../core/keyset-page.ts";
import { builder, type Context } from "../graphql/builder.ts";
// Its part of the context: whose playbooks they are.
import "../tenancy/graphql.ts";
import { type Pin, Playbook, PlaybookVersion } from "./entities.ts";
import { graphOf } from "./graph.ts";
import { PlaybookGraphObject } from "./graphql-graph.ts";
import { findHeads, listVersions, type VersionHead } from "./list-versions.ts";

const PlaybookFormatEnum = builder.enumType("PlaybookFormat", {
  description: "How a source was written.",
  values: {
    YAML: { description: "YAML 1.2." },
    JSON: { description: "JSON." },
  } satisfies Record<PlaybookVersion["format"], object>,
});

const PlaybookTrigger = builder.objectRef<{ readonly [field: string]: Json }>("PlaybookTrigger").implement({
  description: "What starts a playbook. Any can be executed by hand, too.",
  fields: (t) => ({
    event: t.string({ description: "Such as finding.new, manual or schedule.", resolve: ({ event }) => String(event) }),
    cron: t.string({ nullable: true, description: "Of a schedule.", resolve: ({ cron }) => textOf(cron) }),
    timezone: t.string({
      nullable: true,
      description: "Of a schedule: UTC unless the document names another.",
      resolve: ({ event, timezone }) => textOf(timezone) ?? (event === "schedule" ? "UTC" : null),
    }),
    conditions: t.field({
      type: "JSON",
      nullable: true,
      description: "What must hold of the event, as the document has it.",
      resolve: ({ conditions }) => conditions ?? null,
    }),
  }),
});

interface PinOfVersion extends Pin {
  readonly tenantId: string;
}

const PlaybookPin = builder.objectRef<PinOfVersion>("PlaybookPin").implement({
  description: "What a reference in a step was pinned to when its playbook was registered.",
  fields: (t) => ({
    stepId: t.exposeString("stepId", { description: "The step's id in its playbook." }),
    actionRef: t.expose("actionRef", { type: "ActionRef", description: "name@MAJOR.MINOR or name@MAJOR.MINOR.PATCH." }),
    resolves: t.string({
      nullable: true,
      description: "The exact version that it resolves to now; null when there is none any more.",
      resolve: (pin, _args, context) => loadersOf(context).resolved.load(pin),
    }),
  }),
});

export const PlaybookVersionNode = builder.loadableNodeRef("PlaybookVersion", {
  id: { resolve: (version: VersionHead) => version.id, description: "Opaque." },
  load: (ids: string[], { operation: { em, tenantId } }: Context) =>
    findHeads(em, { id: { $in: ids.filter(isUuid) }, tenantId }),
  sort: (version) => version.id,
});

export const PlaybookNode = builder.loadableNode(Playbook, {
  name: "Playbook",
  description: "A workflow of steps that respond to an event. Its versions never change.",
  id: { resolve: (playbook) => playbook.id, description: "Opaque." },
  authScopes: { permission: "playbook:read" },
  load: (ids: string[], { operation: { em, tenantId } }) =>
    em.find(Playbook, { id: { $in: ids.filter(isUuid) }, tenantId }, { disableIdentityMap: true }),
  sort: (playbook) => playbook.id,
  fields: (t) => ({
    key: t.exposeString("key", { description: "The document's id, unique in the tenant." }),
    name: t.exposeString("name", { description: "What people call it, by its active version." }),
    description: t.exposeString("description", {
      nullable: true,
      description: "What it is for, by its active version.",
    }),
    tags: t.exposeStringList("tags", { description: "Labels, by its active version." }),
    enabled: t.exposeBoolean("enabled", { description: "Whether it can be executed." }),
    trigger: t.expose("trigger", { type: PlaybookTrigger, description: "What starts it, by its active version." }),
    activeVersion: t.field({
      type: PlaybookVersionNode,
      description: "What is executed when no version is asked for.",
      resolve: ({ activeVersionId }) => activeVersionId,
    }),
  }),
});

PlaybookVersionNode.implement({
  description: "A registered version of a playbook. It never changes.",
  authScopes: { permission: "playbook:read" },
  fields: (t) => ({
    playbook: t.field({
      type: PlaybookNode,
      description: "Whose version it is.",
      resolve: ({ playbookId }) => playbookId,
    }),
    version: t.exposeString("version", { description: "MAJOR.MINOR.PATCH." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was registered." }),
    format: t.field({
      type: PlaybookFormatEnum,
      description: "How its source was written.",
      resolve: ({ format }) => format,
    }),
    source: t.string({
      description: "Its text, byte for byte as it was registered.",
      resolve: async ({ id }, _args, context) => (await loadersOf(context).bodies.load(id)).source,
    }),
    graph: t.field({
      type: PlaybookGraphObject,
      description: "Its steps and every way between them.",
      resolve: async ({ id }, _args, context) => graphOf((await loadersOf(context).bodies.load(id)).document),
    }),
    pins: t.field({
      type: [PlaybookPin],
      description: "What the references of its action steps were pinned to.",
      resolve: ({ pins, tenantId }) => pins.map((pin) => ({ ...pin, tenantId })),
    }),
  }),
});

const PlaybookVersionEdge = builder.edgeObject({
  type: PlaybookVersionNode,
  name: "PlaybookVersionEdge",
  description: "A version in a page.",
});
const PlaybookVersionConnection = builder.connectionObject(
  {
    type: PlaybookVersionNode,
    name: "PlaybookVersionConnection",
    description: "A page of a playbook's versions.",
  },
  PlaybookVersionEdge,
);

builder.objectField(PlaybookNode, "versions", (t) =>
  t.connection(
    {
      type: PlaybookVersionNode,
      description: "Every version, the one registered last first.",
      resolve: ({ id: playbookId }, args, { operation }) =>
        resolvePage<VersionHead>(args, {
          keyLength: 1,
          key: ({ id }) => [id],
          count: () => operation.em.count(PlaybookVersion, { tenantId: operation.tenantId, playbookId }),
          find: (range) => listVersions(operation, playbookId, range),
        }),
    },
    PlaybookVersionConnection,
    PlaybookVersionEdge,
  ),
);

type Body = Pick<PlaybookVersion, "id" | "source" | "document">;

interface Loaders {
  readonly bodies: DataLoader<string, Body>;
  readonly resolved: DataLoader<PinOfVersion, string | null, string>;
}

const loaders = new WeakMap<Context, Loaders>();

/** What one operation has read: versions' texts, and what pins resolve to. */
function loadersOf(context: Context): Loaders {
  const known = loaders.get(context);
  if (known) return known;
  const { em, tenantId } = context.operation;
  const made: Loaders = {
    bodies: new DataLoader(async (ids: readonly string[]) => {
      const where = { id: { $in: [...ids] }, tenantId };
      const found = await em.find(PlaybookVersion, where, {
        fields: ["id", "source", "document"],
        disableIdentityMap: true,
      });
      const byId = new Map(found.map((body) => [body.id, body]));
      return ids.map((id) => byId.get(id) ?? new Error(`Playbook version ${id} is gone.`));
    }),
    resolved: new DataLoader((pins) => Promise.all(pins.map((pin) => exactVersion(em, tenantId, pin))), {
      cacheKeyFn: ({ actionId, actionRef }) => `${actionId} ${actionRef}`,
    }),
  };
  loaders.set(context, made);
  return made;
}

/** The version that a pin means now; null when there is none any more. */
async function exactVersion(em: EntityManager, tenantId: string, pin: Pin): Promise<string | null> {
  try {
    return (await resolvePinned(em, tenantId, pin)).version;
  } catch (error) {
    if (error instanceof DomainFailure) return null;
    throw error;
  }
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}
