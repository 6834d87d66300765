import type { FilterQuery } from "@mikro-orm/core";
import { containing, requireFilterTexts } from "../core/filter-text.ts";
import type { PageRange } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Action } from "./entities.ts";

/** What to list; what is left out does not matter. */
export interface ActionFilter {
  readonly type?: Action["type"] | null | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | null | undefined;
  readonly enabled?: boolean | null | undefined;
  /** Part of the name or the description, whatever its case. */
  readonly search?: string | null | undefined;
  readonly executor?: Action["executorType"] | null | undefined;
}

/**
 * One page of the tenant's actions, by name. The key of the order is the name alone: it is unique in a tenant.
 * @throws BadInputError for a filter beyond its bounds.
 */
export async function listActions(
  { em, tenantId }: OperationContext,
  filter: ActionFilter,
  { limit, after, before, isInverted }: PageRange,
): Promise<readonly Action[]> {
  const range = [...(after ? [{ name: { $gt: after[0]! } }] : []), ...(before ? [{ name: { $lt: before[0]! } }] : [])];
  return em.find(
    Action,
    { $and: [where(tenantId, filter), ...range] },
    { orderBy: { name: isInverted ? "desc" : "asc" }, limit, disableIdentityMap: true },
  );
}

/** How many actions of the tenant the filter lets through. @throws BadInputError for a filter beyond its bounds. */
export async function countActions({ em, tenantId }: OperationContext, filter: ActionFilter): Promise<number> {
  return em.count(Action, where(tenantId, filter));
}

function where(tenantId: string, filter: ActionFilter): FilterQuery<Action> {
  requireFilterTexts(filter);
  const { type, tags, enabled, search, executor } = filter;
  const words = search?.trim();
  return {
    tenantId,
    ...(type != null && { type }),
    ...(executor != null && { executorType: executor }),
    ...(enabled != null && { enabled }),
    ...(tags && tags.length > 0 && { tags: { $contains: [...tags] } }),
    ...(words && { $or: [{ name: { $ilike: containing(words) } }, { description: { $ilike: containing(words) } }] }),
  };
}
