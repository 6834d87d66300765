import type { EntityManager } from "@mikro-orm/postgresql";
import { ApiToken } from "./entities.ts";
import { replacedTokenName } from "./names.ts";

/**
 * Whether somebody revoked this API token: what it has asked for and what still waits is not to be carried out. One that has expired did
 * what it did rightfully, and one that another `ADMIN_TOKEN` took the place of belongs to the same operator.
 */
export async function isRevokedToken(em: EntityManager, tenantId: string, id: string): Promise<boolean> {
  return (await em.count(ApiToken, { id, tenantId, revokedAt: { $ne: null }, name: { $ne: replacedTokenName } })) > 0;
}
