import { BadInputError } from "../core/failures.ts";
import type { PageRange } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { ActionVersion } from "./entities.ts";
import { parseVersion } from "./version.ts";

/** One page of an action's versions, the highest first. The key of the order is the version's number as it is written. */
export async function listVersions(
  { em, tenantId }: OperationContext,
  actionId: string,
  { limit, after, before, isInverted }: PageRange,
): Promise<readonly ActionVersion[]> {
  const range = [...(after ? [beyond("$lt", after[0])] : []), ...(before ? [beyond("$gt", before[0])] : [])];
  const direction = isInverted ? "asc" : "desc";
  return em.find(
    ActionVersion,
    { $and: [{ tenantId, actionId }, ...range] },
    { orderBy: { major: direction, minor: direction, patch: direction }, limit, disableIdentityMap: true },
  );
}

/** Versions below (`$lt`) or above (`$gt`) one. */
function beyond(operator: "$lt" | "$gt", text: string | undefined) {
  const version = parseVersion(text ?? "");
  if (!version) throw new BadInputError("This is no cursor of this connection.");
  const { major, minor, patch } = version;
  return {
    $or: [
      { major: { [operator]: major } },
      { major, minor: { [operator]: minor } },
      { major, minor, patch: { [operator]: patch } },
    ],
  };
}

export function countVersions({ em, tenantId }: OperationContext, actionId: string): Promise<number> {
  return em.count(ActionVersion, { tenantId, actionId });
}
