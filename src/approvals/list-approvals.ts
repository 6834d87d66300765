import { newestFirst, type PageArguments, resolvePage } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { ApprovalStatus } from "./approver.ts";
import { Approval } from "./entities.ts";
import { unshared } from "./find-approval.ts";

export interface ApprovalFilter {
  readonly status?: ApprovalStatus | null | undefined;
}

/** Requests of the caller's tenant, newest first. @throws BadInputError for a page out of bounds or a foreign cursor. */
export function listApprovals({ em, tenantId }: OperationContext, args: PageArguments, { status }: ApprovalFilter) {
  const where = { tenantId, ...(status == null ? {} : { status }) };
  return resolvePage<Approval>(args, {
    key: ({ id }) => [id],
    keyLength: 1,
    find: (range) => {
      const { id, options } = newestFirst(range);
      return em.find(Approval, { ...where, id }, { ...unshared, ...options });
    },
    count: () => em.count(Approval, where),
  });
}
