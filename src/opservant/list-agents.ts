import { newestFirst, type PageArguments, resolvePage } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Agent } from "./entities.ts";

export const agentStatuses = ["CONNECTED", "DISCONNECTED", "REVOKED"] as const;

export function agentStatus({ revokedAt, isConnected }: Agent): (typeof agentStatuses)[number] {
  if (revokedAt) return "REVOKED";
  return isConnected ? "CONNECTED" : "DISCONNECTED";
}

/** The tenant's agents, the newest first, with the revoked. */
export function listAgents({ em, tenantId }: OperationContext, args: PageArguments) {
  return resolvePage<Agent>(args, {
    keyLength: 1,
    key: ({ id }) => [id],
    count: () => em.count(Agent, { tenantId }),
    find: (range) => {
      const { id, options } = newestFirst(range);
      return em.find(Agent, { tenantId, id }, options);
    },
  });
}
