import { abortable } from "../core/abortable.ts";
import { ConflictFailure, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { tenantCursor, xidOf } from "../core/stream-cursor.ts";
import { builder } from "../graphql/builder.ts";
import { requireFilter } from "./dispatch-filter.ts";
import { type DispatchPorts, dispatchLiveAction } from "./dispatch-live-action.ts";
import type { LiveActionDispatch } from "./entities.ts";
import { LiveActionDispatchNode, LiveActionStatus } from "./graphql.ts";
import { type DispatchUpdate, listDispatches, streamDispatchUpdates } from "./list-dispatches.ts";
import { type RolledBack, rollbackLiveAction } from "./rollback-live-action.ts";
import { withdrawLiveAction } from "./withdraw-live-action.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly liveActions: DispatchPorts;
  }
}

const LiveActionInput = builder.inputType("LiveActionInput", {
  description: "A live action to dispatch.",
  fields: (t) => ({
    requestId: t.string({
      description:
        "Makes it happen once: the same again answers the first result and calls nobody. One is made where it is left out. A dry run does not answer for a live one.",
    }),
    capability: t.string({ required: true, description: "The vendor-neutral verb, such as isolate_host." }),
    vendorId: t.string({
      description:
        "Whose product does it. Left out: the tenant's pinned vendor, else the only one that has credentials.",
    }),
    target: t.string({ required: true, description: "What it is done to: a host, a user, an address, by capability." }),
    params: t.field({
      type: "JSON",
      description:
        'What the adapter takes besides: options, and credentials where the credential store has none; one may be {"$secret": "name"}.',
    }),
    caseId: t.string({ description: "The caller's case that it belongs to." }),
    requestedBy: t.string({ description: "Whom the caller speaks for; kept beside who it is." }),
    dryRun: t.boolean({ description: "Contacts nobody, and answers what would be done." }),
  }),
});

const DispatchPayload = builder.objectRef<{ dispatch: LiveActionDispatch }>("DispatchLiveActionPayload").implement({
  description: "The live action has a result, or waits for people.",
  fields: (t) => ({
    dispatch: t.expose("dispatch", { type: LiveActionDispatchNode, description: "The dispatch." }),
  }),
});

const DryRunPayload = builder.objectRef<{ dispatch: LiveActionDispatch }>("DryRunLiveActionPayload").implement({
  description: "What would be done.",
  fields: (t) => ({
    dispatch: t.expose("dispatch", { type: LiveActionDispatchNode, description: "The dry run." }),
  }),
});

builder.mutationFields((t) => ({
  dispatchLiveAction: t.field({
    type: DispatchPayload,
    description:
      "Invokes one capability at once, and answers when it has ended, or waits for people. What goes wrong with the vendor is a result, not a failure.",
    authScopes: { permission: "live-action:dispatch" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: LiveActionInput, required: true, description: "What to do." }) },
    resolve: async (_root, { input }, { operation, liveActions }) => ({
      dispatch: await dispatchLiveAction(operation, liveActions, input),
    }),
  }),
  dryRunLiveAction: t.field({
    type: DryRunPayload,
    description:
      "Answers what a live action would do. Whatever the input says, nobody is contacted, and no credential is read.",
    authScopes: { permission: "live-action:dispatch" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: LiveActionInput, required: true, description: "What to preview." }) },
    resolve: async (_root, { input }, { operation, liveActions }) => ({
      dispatch: await dispatchLiveAction(operation, liveActions, input, "DRY_RUN"),
    }),
  }),
}));

const RollbackLiveActionInput = builder.inputType("RollbackLiveActionInput", {
  description: "Which live action to undo.",
  fields: (t) => ({
    requestId: t.string({ required: true, description: "Of the dispatch that is to be undone." }),
    reason: t.string({ description: "Why, for whoever reads the history." }),
  }),
});

const RollbackPayload = builder.objectRef<RolledBack>("RollbackLiveActionPayload").implement({
  description: "The rollback has a result, or waits for people.",
  fields: (t) => ({
    dispatch: t.expose("dispatch", { type: LiveActionDispatchNode, description: "The rollback itself." }),
    rolledBack: t.expose("rolledBack", { type: LiveActionDispatchNode, description: "What it is to undo." }),
  }),
});

builder.mutationField("rollbackLiveAction", (t) =>
  t.field({
    type: RollbackPayload,
    description:
      "Undoes what a live action did, in whole or in part, where its adapter can: a dispatch of its own, governed as the first was. What can't be undone says why.",
    authScopes: { permission: "live-action:dispatch" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: RollbackLiveActionInput, required: true, description: "Which one." }) },
    resolve: (_root, { input }, { operation, liveActions }) => rollbackLiveAction(operation, liveActions, input),
  }),
);

const WithdrawLiveActionInput = builder.inputType("WithdrawLiveActionInput", {
  description: "Which live action to take back.",
  fields: (t) => ({
    requestId: t.string({ required: true, description: "Of the dispatch that waits for people." }),
    reason: t.string({ description: "Why, for whoever reads the history." }),
  }),
});

const WithdrawPayload = builder.objectRef<{ dispatch: LiveActionDispatch }>("WithdrawLiveActionPayload").implement({
  description: "The live action was withdrawn.",
  fields: (t) => ({
    dispatch: t.expose("dispatch", { type: LiveActionDispatchNode, description: "The dispatch as it ended." }),
  }),
});

builder.mutationField("withdrawLiveAction", (t) =>
  t.field({
    type: WithdrawPayload,
    description:
      "Takes back a live action that waits for people, whoever asked for it: it fails as `withdrawn`, nobody is contacted, and nobody has to decide any more.",
    authScopes: { permission: "live-action:dispatch" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: WithdrawLiveActionInput, required: true, description: "Which one, and why." }) },
    resolve: async (_root, { input }, { operation, liveActions }) => ({
      dispatch: await withdrawLiveAction(operation, liveActions, input),
    }),
  }),
);

const LiveActionDispatchFilter = builder.inputType("LiveActionDispatchFilter", {
  description: "Narrows the history or its stream; what is left out does not narrow.",
  fields: (t) => ({
    capability: t.string({ description: "The verb." }),
    vendorId: t.string({ description: "Whose product." }),
    status: t.field({ type: LiveActionStatus, description: "How they ended." }),
    caseId: t.string({ description: "The caller's case." }),
    since: t.field({ type: "DateTime", description: "Asked for then or later." }),
  }),
});

builder.queryField("liveActionDispatches", (t) =>
  t.connection(
    {
      type: LiveActionDispatchNode,
      description: "Live actions that were asked for, dry runs too, newest first.",
      authScopes: { permission: "live-action:read" },
      args: { filter: t.arg({ type: LiveActionDispatchFilter, description: "Narrows the list." }) },
      resolve: (_root, { filter, ...page }, { operation }) => listDispatches(operation, page, filter ?? {}),
    },
    { name: "LiveActionDispatchConnection", description: "A page of live actions." },
    { name: "LiveActionDispatchEdge", description: "A live action in a page." },
  ),
);

const LiveActionUpdate = builder.objectRef<DispatchUpdate>("LiveActionUpdate").implement({
  description: "The latest state of a live action that changed.",
  fields: (t) => ({
    cursor: t.string({
      description: "What `after` takes to go on from here.",
      resolve: ({ xid }) => tenantCursor(xid),
    }),
    matches: t.exposeBoolean("matches", { description: "False when it is outside the filter: take it off the list." }),
    dispatch: t.expose("dispatch", { type: LiveActionDispatchNode, description: "The dispatch as it is now." }),
  }),
});

builder.subscriptionField("liveActionUpdates", (t) =>
  t.field({
    type: LiveActionUpdate,
    description:
      "Live actions of the tenant, each time one is asked for, decided about or ends, at least once, latest state only. With `after`, everything that changed since; without, from now on.",
    authScopes: { permission: "live-action:read" },
    args: {
      filter: t.arg({ type: LiveActionDispatchFilter, description: "Which of them." }),
      after: t.arg.string({ description: "A cursor of this stream: everything that changed since." }),
    },
    subscribe: (_root, { filter, after }, { operation, tenantNews, lastEventId }) => {
      requireFilter(filter ?? {});
      const { em, tenantId } = operation;
      const subscription = { tenantId, filter: filter ?? {}, after: xidOf(lastEventId ?? after) };
      return abortable((signal) =>
        streamDispatchUpdates({ news: tenantNews, em: () => em.fork(), signal }, subscription),
      );
    },
    resolve: (update) => update as DispatchUpdate,
  }),
);
