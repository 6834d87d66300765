import { abortable } from "../core/abortable.ts";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { localId } from "../core/global-id.ts";
import { tenantCursor, xidOf } from "../core/stream-cursor.ts";
import { type Change, streamChanges, type TenantNews } from "../database/tenant-changes.ts";
import { builder } from "../graphql/builder.ts";
import { type approvalDecisions, type DecidePorts, decideApproval } from "./decide-approval.ts";
import { Approval } from "./entities.ts";
import { ApprovalNode } from "./graphql.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly decisions: DecidePorts;
    readonly tenantNews: TenantNews;
  }
}

const ApprovalDecision = builder.enumType("ApprovalDecision", {
  description: "What can be said to a request.",
  values: {
    APPROVE: { description: "Yes: it goes on." },
    REJECT: { description: "No: it goes to its fallback where it has one, and ends otherwise." },
  } satisfies Record<(typeof approvalDecisions)[number], object>,
});

const DecideApprovalInput = builder.inputType("DecideApprovalInput", {
  description: "What is said to which request.",
  fields: (t) => ({
    id: t.id({ required: true, description: "The request's opaque id." }),
    decision: t.field({ type: ApprovalDecision, required: true, description: "Yes or no." }),
    comment: t.string({ description: "Why, for whoever reads the run. Kept with the decision." }),
  }),
});

const DecideApprovalPayload = builder.objectRef<{ approval: Approval }>("DecideApprovalPayload").implement({
  description: "The request was decided.",
  fields: (t) => ({
    approval: t.field({
      type: ApprovalNode,
      description: "The request as decided.",
      resolve: ({ approval }) => approval,
    }),
  }),
});

builder.mutationField("decideApproval", (t) =>
  t.field({
    type: DecideApprovalPayload,
    description:
      "Approves or rejects a request, once and for all. Whoever the request names may: no permission is needed besides. FORBIDDEN to everybody else, and to who asked for it.",
    authScopes: { signedIn: true },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: {
      input: t.arg({ type: DecideApprovalInput, required: true, description: "Which request, and the decision." }),
    },
    resolve: async (_root, { input: { id, decision, comment } }, { operation, decisions }) => ({
      approval: await decideApproval(operation, decisions, { id: localId("Approval", id) ?? "", decision, comment }),
    }),
  }),
);

const ApprovalUpdateObject = builder.objectRef<Change<Approval>>("ApprovalUpdate").implement({
  description: "The latest state of a request for approval that changed.",
  fields: (t) => ({
    cursor: t.string({
      description: "What `after` takes to go on from here.",
      resolve: ({ xid }) => tenantCursor(xid),
    }),
    approval: t.field({ type: ApprovalNode, description: "The request as it is now.", resolve: ({ row }) => row }),
  }),
});

builder.subscriptionField("approvalUpdates", (t) =>
  t.field({
    type: ApprovalUpdateObject,
    description:
      "Requests for approval of the tenant, each time one is made, decided, expires or is closed, at least once, latest state only. With `after`, everything that changed since; without, from now on.",
    authScopes: { permission: "approval:read" },
    args: { after: t.arg.string({ description: "A cursor of this stream: everything that changed since." }) },
    subscribe: (_root, { after }, { operation, tenantNews, lastEventId }) => {
      const { em, tenantId } = operation;
      const subscription = { entity: Approval, tenantId, after: xidOf(lastEventId ?? after) };
      return abortable((signal) =>
        streamChanges<Approval>({ news: tenantNews, em: () => em.fork(), signal }, subscription),
      );
    },
    resolve: (update) => update as Change<Approval>,
  }),
);
