import { isStorableText } from "../core/json.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Playbook } from "./entities.ts";

/** The tenant's playbook with this key, as it is now; also for a text that no key can be. */
export async function findPlaybook({ em, tenantId }: OperationContext, key: string): Promise<Playbook | undefined> {
  if (!isStorableText(key)) return undefined;
  return (await em.findOne(Playbook, { tenantId, key }, { disableIdentityMap: true })) ?? undefined;
}
