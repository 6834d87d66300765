import type { Tenant } from "../tenancy/entities.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Approver } from "./approver.ts";
import type { Approval } from "./entities.ts";

type Caller = Pick<OperationContext, "actor" | "roles">;

/** Whether a caller may decide a request, as far as that is about who they are; and if not, why. */
export type MayDecide = "yes" | "not_an_approver" | "own_request";

/** Who asked for something does not decide it, whatever roles they have, unless their tenant allows that. */
export function mayDecide(
  caller: Caller,
  approval: Pick<Approval, "approvers" | "requesterId">,
  settings: Pick<Tenant, "allowSelfApproval">,
): MayDecide {
  if (!isApprover(caller, approval)) return "not_an_approver";
  const isRequester = approval.requesterId != null && approval.requesterId === caller.actor.id;
  return isRequester && !settings.allowSelfApproval ? "own_request" : "yes";
}

/** True for who has one of the roles, or is the one named. An agent is a machine, whatever it is called. */
export function isApprover({ actor, roles }: Caller, { approvers }: Pick<Approval, "approvers">): boolean {
  if (actor.kind === "AGENT") return false;
  return approvers.some((approver) =>
    "role" in approver ? roles.includes(approver.role) : approver.user === actor.name,
  );
}

/** As in "role security_lead or user alice". */
export function approversText(approvers: readonly Approver[]): string {
  return approvers
    .map((approver) => ("role" in approver ? `role ${approver.role}` : `user ${approver.user}`))
    .join(" or ");
}
