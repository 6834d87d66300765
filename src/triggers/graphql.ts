import { isUuid } from "../core/ids.ts";
import { builder } from "../graphql/builder.ts";
import { TriggerEvent } from "../runs/entities.ts";
import { RunNode } from "../runs/graphql.ts";
import { ActorObject } from "../tenancy/graphql-actor.ts";

export const TriggerEventNode = builder.loadableNode(TriggerEvent, {
  name: "TriggerEvent",
  description: "Something that happened, and that playbooks may be triggered by.",
  id: { resolve: (event) => event.id, description: "Opaque." },
  authScopes: { permission: "run:read" },
  load: (ids: string[], { operation: { em, tenantId } }) =>
    em.find(TriggerEvent, { id: { $in: ids.filter(isUuid) }, tenantId }, { disableIdentityMap: true }),
  sort: (event) => event.id,
  fields: (t) => ({
    type: t.exposeString("type", { description: "As in a playbook's trigger, such as `finding.new`." }),
    key: t.exposeString("key", { description: "What makes it the same event, however often it is delivered." }),
    data: t.field({
      type: "JSON",
      description: "What it is about: the context of the runs that it starts.",
      resolve: ({ data }) => data,
    }),
    at: t.expose("at", { type: "DateTime", description: "When it happened, as its sender says." }),
    receivedAt: t.expose("createdAt", { type: "DateTime", description: "When it was first received." }),
    dispatchedAt: t.expose("dispatchedAt", {
      type: "DateTime",
      nullable: true,
      description: "When every run that it starts was durable; null until then.",
    }),
    emittedBy: t.field({
      type: ActorObject,
      description: "Who told of it first.",
      resolve: ({ emittedByKind, emittedByName }) => ({ kind: emittedByKind, name: emittedByName }),
    }),
  }),
});

builder.objectField(RunNode, "event", (t) =>
  t.field({
    type: TriggerEventNode,
    nullable: true,
    description: "The event that started it; null for a run that somebody started by hand.",
    resolve: ({ eventId }) => eventId,
  }),
);
