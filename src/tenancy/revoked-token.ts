import type { EntityManager } from "@mikro-orm/postgresql";
import { ApiToken, Person } from "./entities.ts";
import { isRevokedJwt } from "./known-people.ts";
import { replacedTokenName } from "./names.ts";
import type { OperationContext } from "./operation-context.ts";

/**
 * Whether somebody revoked this API token: what it has asked for and what still waits is not to be carried out. One that has expired did
 * what it did rightfully, and one that another `ADMIN_TOKEN` took the place of belongs to the same operator.
 */
export async function isRevokedToken(em: EntityManager, tenantId: string, id: string): Promise<boolean> {
  return (await em.count(ApiToken, { id, tenantId, revokedAt: { $ne: null }, name: { $ne: replacedTokenName } })) > 0;
}

/** Whether the token that the caller came with, an API token or a JWT, was revoked meanwhile: read for certain. */
export async function isRevokedCaller(
  em: EntityManager,
  { tenantId, actor: { kind, id }, tokenIssuedAt }: Pick<OperationContext, "tenantId" | "actor" | "tokenIssuedAt">,
): Promise<boolean> {
  if (id === undefined) return false;
  if (kind === "TOKEN") return isRevokedToken(em, tenantId, id);
  if (kind !== "MEMBER") return false;
  const person = await em.findOne(Person, { id, tenantId }, { disableIdentityMap: true });
  return person !== null && isRevokedJwt(person, tokenIssuedAt);
}
