import { ApprovalNode } from "../approvals/graphql.ts";
import { builder } from "../graphql/builder.ts";
import { ActorObject } from "../tenancy/graphql-actor.ts";
import { LiveActionDispatch } from "./entities.ts";
import { findDispatches } from "./list-dispatches.ts";

type Dispatch = LiveActionDispatch;

export const LiveActionStatus = builder.enumType("LiveActionStatus", {
  description: "How a live action ended.",
  values: {
    SUCCEEDED: { description: "It took effect at the vendor; `details.completion` says whether that was confirmed." },
    SIMULATED: { description: "Nobody was contacted: a dry run, or credentials are missing." },
    FAILED: {
      description:
        "It did not take effect, or in part only (`details.completion` is `partial`), or nobody knows; `error` says why.",
    },
  } satisfies Record<NonNullable<Dispatch["status"]>, object>,
});

const LiveActionState = builder.enumType("LiveActionState", {
  description: "Where a live action stands.",
  values: {
    RUNNING: { description: "The vendor is being called." },
    AWAITING_APPROVAL: { description: "People are asked; the vendor is called once they agree." },
    COMPLETED: { description: "It has its result, for good." },
  } satisfies Record<Dispatch["state"], object>,
});

const LiveActionMode = builder.enumType("LiveActionMode", {
  description: "Whether a live action was meant.",
  values: {
    LIVE: { description: "The vendor is called." },
    DRY_RUN: { description: "A preview: nobody is contacted." },
  } satisfies Record<Dispatch["mode"], object>,
});

/** Of a completed dispatch, which has all of it: the row's constraint says so. */
const LiveActionResult = builder.objectRef<Dispatch>("LiveActionResult").implement({
  description: "What came of a live action.",
  fields: (t) => ({
    status: t.field({
      type: LiveActionStatus,
      description: "How it ended.",
      resolve: ({ status }) => status ?? "FAILED",
    }),
    summary: t.string({ description: "One line for people.", resolve: ({ summary }) => summary ?? "" }),
    details: t.field({
      type: "JSON",
      description: "What the adapter tells: ids of the vendor, what would be done, why it failed. Without secrets.",
      resolve: ({ details }) => details ?? {},
    }),
    error: t.exposeString("error", {
      nullable: true,
      description: "A stable code, or the class of what the adapter threw; null unless it failed.",
    }),
    completedAt: t.field({
      type: "DateTime",
      description: "When it ended.",
      resolve: ({ completedAt, createdAt }) => completedAt ?? createdAt,
    }),
    warnings: t.stringList({
      description: "What is odd about the request or the result.",
      resolve: ({ warnings }) => [...(warnings ?? [])],
    }),
  }),
});

export const LiveActionDispatchNode = builder.loadableNode(LiveActionDispatch, {
  name: "LiveActionDispatch",
  description: "One capability asked of one vendor for one target, and what came of it.",
  id: { resolve: ({ id }) => id, description: "Opaque." },
  authScopes: { permission: "live-action:read" },
  load: (ids: string[], { operation }) => findDispatches(operation, ids),
  sort: ({ id }) => id,
  fields: (t) => ({
    requestId: t.exposeString("requestId", { description: "What its caller knows it by; made where none was given." }),
    state: t.expose("state", { type: LiveActionState, description: "Where it stands." }),
    mode: t.expose("mode", { type: LiveActionMode, description: "Whether it was meant." }),
    capability: t.exposeString("capability", { description: "The vendor-neutral verb, such as isolate_host." }),
    vendorId: t.exposeString("vendorId", {
      nullable: true,
      description: "Whose product does it; null where none was named and none could be chosen.",
    }),
    target: t.exposeString("target", { description: "What it is done to." }),
    caseId: t.exposeString("caseId", { nullable: true, description: "The caller's case that it belongs to." }),
    requestedBy: t.exposeString("requestedBy", {
      nullable: true,
      description: "Whom the caller speaks for, as it says; `actor` is who it is.",
    }),
    actor: t.field({
      type: ActorObject,
      description: "Who asked for it.",
      resolve: ({ actorKind, actorName }) => ({ kind: actorKind, name: actorName }),
    }),
    requestedAt: t.expose("createdAt", { type: "DateTime", description: "When it was asked for." }),
    cost: t.exposeFloat("cost", { description: "What it costs the tenant; 0 where the vendor was not to be called." }),
    approval: t.field({
      type: ApprovalNode,
      nullable: true,
      description: "The request for approval that it waits or waited for; null where nobody was asked.",
      resolve: ({ approvalId }) => approvalId,
    }),
    reason: t.exposeString("reason", { nullable: true, description: "Why it was rolled back, of a rollback." }),
    result: t.field({
      type: LiveActionResult,
      nullable: true,
      description: "What came of it; null until its state is COMPLETED.",
      resolve: (dispatch) => (dispatch.state === "COMPLETED" ? dispatch : null),
    }),
  }),
});

builder.objectField(LiveActionDispatchNode, "rollbackOf", (t) =>
  t.field({
    type: LiveActionDispatchNode,
    nullable: true,
    description: "What it undoes; null where it is no rollback.",
    resolve: ({ rollbackOfId }) => rollbackOfId,
  }),
);

builder.objectField(ApprovalNode, "dispatch", (t) =>
  t.field({
    type: LiveActionDispatchNode,
    nullable: true,
    description: "The live action that waits or waited for it; null where it is of a run.",
    resolve: ({ dispatchId }) => dispatchId,
  }),
);
