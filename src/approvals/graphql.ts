import { builder, type Context } from "../graphql/builder.ts";
import { Tenant } from "../tenancy/entities.ts";
import { ActorObject } from "../tenancy/graphql-actor.ts";
import type { Approver, ApprovalStatus as Status } from "./approver.ts";
import { isApprover, mayDecide } from "./can-decide.ts";
import { Approval } from "./entities.ts";
import { findApprovals } from "./find-approval.ts";
import { listApprovals } from "./list-approvals.ts";

const ApprovalStatus = builder.enumType("ApprovalStatus", {
  description: "Where a request for approval stands. All but PENDING are final.",
  values: {
    PENDING: { description: "It waits for a decision." },
    APPROVED: { description: "Somebody approved it." },
    REJECTED: { description: "Somebody rejected it." },
    EXPIRED: { description: "Nobody decided in time." },
    CLOSED: { description: "What it was for ended before anybody decided." },
  } satisfies Record<Status, object>,
});

export const ApproverObject = builder.objectRef<Approver>("Approver").implement({
  description: "Who may decide: whoever has the role, or the one of that name. One of both is null.",
  fields: (t) => ({
    role: t.string({
      nullable: true,
      description: "A role of the permission table, or a free one.",
      resolve: (approver) => ("role" in approver ? approver.role : null),
    }),
    user: t.string({
      nullable: true,
      description: "A name: of an API token or a person.",
      resolve: (approver) => ("user" in approver ? approver.user : null),
    }),
  }),
});

/** Who is asked sees what it is about, also without a role that reads approvals, and what became of it once they have decided. */
function maySee(approval: Approval, context: Context): boolean {
  const { operation } = context;
  const hasDecided = approval.decidedById != null && approval.decidedById === operation.actor.id;
  return context.hasPermission("approval:read") || hasDecided || isApprover(operation, approval);
}

const settings = new WeakMap<Context, Promise<Tenant>>();

/** The caller's tenant, read once for all requests of one answer. */
function tenantOf(context: Context): Promise<Tenant> {
  const { em, tenantId } = context.operation;
  const known = settings.get(context) ?? em.findOneOrFail(Tenant, { id: tenantId });
  settings.set(context, known);
  return known;
}

export const ApprovalNode = builder.loadableNode(Approval, {
  name: "Approval",
  description: "A request that a person must approve before something goes on.",
  id: { resolve: ({ id }) => id, description: "Opaque." },
  authScopes: (approval, context) => maySee(approval, context),
  load: (ids: string[], { operation }) => findApprovals(operation, ids),
  sort: ({ id }) => id,
  fields: (t) => ({
    status: t.field({ type: ApprovalStatus, description: "Where it stands.", resolve: ({ status }) => status }),
    message: t.exposeString("message", { nullable: true, description: "What its author says to the approvers." }),
    requestedAt: t.expose("createdAt", { type: "DateTime", description: "When it was requested." }),
    expiresAt: t.expose("expiresAt", {
      type: "DateTime",
      nullable: true,
      description: "Until when it can be decided; null: as long as its run has time.",
    }),
    approvers: t.field({
      type: [ApproverObject],
      description: "Who may decide; any one of them.",
      resolve: ({ approvers }) => [...approvers],
    }),
    effect: t.field({
      type: "JSON",
      nullable: true,
      description:
        "What an approval lets happen: `{steps: [{stepId, name, action, version, parameters}]}` of a run, where a live action has `capability`, `vendorId` and `target` in place of `action` and `version`; `{liveAction: {capability, vendorId, target, params}}` of a live action. Exactly these versions run, and the next step with exactly these parameters, except those that are still templates. See docs/approvals.md.",
      resolve: ({ effect }) => effect,
    }),
    canDecide: t.boolean({
      description: "Whether the caller may decide it now: it is pending, they are an approver, and did not ask for it.",
      async resolve(approval, _args, context) {
        const { status, expiresAt } = approval;
        if (status !== "PENDING" || (expiresAt != null && expiresAt <= context.clock.now())) return false;
        return mayDecide(context.operation, approval, await tenantOf(context)) === "yes";
      },
    }),
    decidedAt: t.expose("decidedAt", { type: "DateTime", nullable: true, description: "When somebody decided it." }),
    decidedBy: t.field({
      type: ActorObject,
      nullable: true,
      description: "Who decided it.",
      resolve: ({ decidedByKind, decidedByName }) =>
        decidedByKind == null ? null : { kind: decidedByKind, name: decidedByName ?? "" },
    }),
    comment: t.exposeString("comment", { nullable: true, description: "What they said about it." }),
  }),
});

const ApprovalFilterInput = builder.inputType("ApprovalFilter", {
  description: "Narrows a list of requests for approval.",
  fields: (t) => ({ status: t.field({ type: ApprovalStatus, description: "Those that stand so." }) }),
});

builder.queryField("approvals", (t) =>
  t.connection(
    {
      type: ApprovalNode,
      description: "Requests for approval, newest first.",
      authScopes: { permission: "approval:read" },
      args: { filter: t.arg({ type: ApprovalFilterInput, description: "Narrows the list." }) },
      resolve: (_root, { filter, ...page }, { operation }) => listApprovals(operation, page, filter ?? {}),
    },
    { name: "ApprovalConnection", description: "A page of requests for approval." },
    { name: "ApprovalEdge", description: "A request for approval in a page." },
  ),
);
