import { LockMode } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { isStorableText } from "../core/json.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Playbook } from "./entities.ts";

/** The tenant's playbook with this key, as it is now; also for a text that no key can be. */
export async function findPlaybook({ em, tenantId }: OperationContext, key: string): Promise<Playbook | undefined> {
  if (!isStorableText(key)) return undefined;
  return (await em.findOne(Playbook, { tenantId, key }, { disableIdentityMap: true })) ?? undefined;
}

/** The playbook as it is now, and as it stays for all others until this transaction ends. */
export function lockPlaybook(em: EntityManager, tenantId: string, id: string): Promise<Playbook> {
  return em.findOneOrFail(Playbook, { tenantId, id }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}
