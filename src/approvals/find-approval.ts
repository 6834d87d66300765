import { isUuid } from "../core/ids.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Approval } from "./entities.ts";

/** Requests are read as they are now: an identity map would answer what it read before. */
export const unshared = { disableIdentityMap: true } as const;

/** Requests of the caller's tenant by their own ids, in no order; what is no id, or none of a request there, is not in the answer. */
export function findApprovals({ em, tenantId }: OperationContext, ids: readonly string[]): Promise<Approval[]> {
  return em.find(Approval, { id: { $in: ids.filter(isUuid) }, tenantId }, unshared);
}
