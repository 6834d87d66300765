import { AuditEntryNode } from "../audit/graphql.ts";
import { builder } from "../graphql/builder.ts";
import { ActorObject } from "./graphql-actor.ts";
import type { Actor } from "./operation-context.ts";

builder.objectField(AuditEntryNode, "actor", (t) =>
  t.field({
    type: ActorObject,
    description: "Who did it, as they were called then.",
    resolve: ({ actorKind, actorName }) => ({ kind: actorKind as Actor["kind"], name: actorName }),
  }),
);
