import { builder } from "../graphql/builder.ts";

export const approvalStatuses = ["PENDING", "APPROVED", "REJECTED", "EXPIRED", "CLOSED"] as const;

const ApprovalStatus = builder.enumType("ApprovalStatus", {
  description: "Where a request for approval stands.",
  values: {
    PENDING: { description: "It waits for a decision." },
    APPROVED: { description: "Somebody approved it." },
    REJECTED: { description: "Somebody rejected it." },
    EXPIRED: { description: "Nobody decided in time." },
    CLOSED: { description: "Its run ended before anybody decided." },
  } satisfies Record<(typeof approvalStatuses)[number], object>,
});

interface ApprovalRequest {
  readonly id: string;
  readonly status: (typeof approvalStatuses)[number];
}

/** A request for approval. No step asks for one yet; the type is here so that documents written for it are valid. */
export const Approval = builder.objectRef<ApprovalRequest>("Approval").implement({
  description: "A request that a person must approve before a step goes on.",
  fields: (t) => ({
    id: t.exposeID("id", { description: "Opaque." }),
    status: t.field({ type: ApprovalStatus, description: "Where it stands.", resolve: ({ status }) => status }),
  }),
});
