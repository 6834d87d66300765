/** Who may decide: whoever has a role, or the one of that name (a token's name, a person's). */
export type Approver = { readonly role: string } | { readonly user: string };

export const approvalStatuses = ["PENDING", "APPROVED", "REJECTED", "EXPIRED", "CLOSED"] as const;
export type ApprovalStatus = (typeof approvalStatuses)[number];
