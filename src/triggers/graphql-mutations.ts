import { ConflictFailure, ValidationFailure } from "../core/failures.ts";
import { builder } from "../graphql/builder.ts";
import { RunNode } from "../runs/graphql.ts";
import type { Dispatch } from "./dispatch-event.ts";
import { type EmittedEvent, emitEvent } from "./emit-event.ts";
import { TriggerEventNode } from "./graphql.ts";
import { emittedTypes } from "./incoming-event.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly dispatch: Dispatch;
  }
}

const EmitEventPayload = builder.objectRef<EmittedEvent>("EmitEventPayload").implement({
  description: "An event that was received, now or before.",
  fields: (t) => ({
    event: t.field({ type: TriggerEventNode, description: "The event.", resolve: ({ event }) => event }),
    runs: t.field({
      type: [RunNode],
      description:
        "What it started; whatever could not start yet follows, and `event.dispatchedAt` is null until then.",
      resolve: ({ runs }) => [...runs],
    }),
  }),
});

const EmitEventInput = builder.inputType("EmitEventInput", {
  description: "What happened.",
  fields: (t) => ({
    type: t.string({ required: true, description: `${emittedTypes.join(", ")}.` }),
    key: t.string({
      description:
        "The same event whenever it comes again with the same key: it starts nothing twice. Left out, it is always a new one.",
    }),
    data: t.field({
      type: "JSON",
      required: true,
      description: "What it is about, an object such as `{finding: {…}}`: the context of the runs that it starts.",
    }),
    at: t.field({ type: "DateTime", description: "When it happened; now when left out." }),
  }),
});

builder.mutationField("emitEvent", (t) =>
  t.field({
    type: EmitEventPayload,
    description:
      "Tells that something happened, and starts every enabled playbook whose trigger it meets. The event is durable when this answers.",
    authScopes: { permission: "event:emit" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: EmitEventInput, required: true, description: "What happened." }) },
    resolve: (_root, { input }, context) => emitEvent(context.operation, context, input),
  }),
);
