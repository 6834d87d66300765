import type { OperationContext } from "../tenancy/operation-context.ts";
import { Playbook } from "./entities.ts";

/** The tenant's playbook with this key, as it is now. */
export async function findPlaybook({ em, tenantId }: OperationContext, key: string): Promise<Playbook | undefined> {
  return (await em.findOne(Playbook, { tenantId, key }, { disableIdentityMap: true })) ?? undefined;
}
