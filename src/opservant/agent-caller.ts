import type { EntityManager } from "@mikro-orm/postgresql";
import { ForbiddenError } from "../core/failures.ts";
import type { Caller } from "../tenancy/caller.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { agentRole, permissionsOf } from "../tenancy/permissions.ts";
import { Agent } from "./entities.ts";

/** The agent whose own token has this hash, as a caller; undefined where none that is not revoked has. */
export async function findAgentCaller(em: EntityManager, hash: string): Promise<Caller | undefined> {
  const agent = await em.findOne(Agent, { hash, revokedAt: null });
  if (!agent) return undefined;
  const { id, tenantId, name } = agent;
  const roles = [agentRole];
  const actor = { kind: "AGENT", id, name } as const;
  return { tenantId, actor, roles, permissions: permissionsOf(roles), expiresAt: undefined };
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
