import type { EntityManager } from "@mikro-orm/postgresql";
import { ForbiddenError } from "../core/failures.ts";
import type { Caller } from "../tenancy/caller.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { agentRole, permissionsOf } from "../tenancy/permissions.ts";
import { Agent } from "./entities.ts";

/** The agents whose own tokens have these hashes, as callers by hash; without those that were revoked. */
export async function findAgentCallers(
  em: EntityManager,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, Caller>> {
  const agents = await em.find(Agent, { hash: { $in: [...hashes] }, revokedAt: null });
  const roles = [agentRole];
  const permissions = permissionsOf(roles);
  const callerOf = ({ id, tenantId, name }: Agent): Caller => {
    return { tenantId, actor: { kind: "AGENT", id, name }, roles, permissions, expiresAt: undefined };
  };
  return new Map(agents.map((agent) => [agent.hash, callerOf(agent)]));
}

/** Which agent asks. @throws ForbiddenError for anybody else, whatever their permissions. */
export function callingAgent({ tenantId, actor }: OperationContext): {
  readonly tenantId: string;
  readonly agentId: string;
} {
  if (actor.kind !== "AGENT" || actor.id === undefined)
    throw new ForbiddenError("Only an agent may do this, with its own token.");
  return { tenantId, agentId: actor.id };
}
