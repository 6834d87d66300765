import type { FilterQuery } from "@mikro-orm/core";
import { containing, requireFilterTexts } from "../core/filter-text.ts";
import type { PageRange } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Playbook } from "./entities.ts";

export interface PlaybookFilter {
  /** Found in the key, the name or the description, whatever the case. */
  readonly search?: string | null | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | null | undefined;
  readonly enabled?: boolean | null | undefined;
  readonly event?: string | null | undefined;
}

/**
 * The tenant's playbooks that the filter lets through, by key.
 * @throws BadInputError for a filter beyond its bounds.
 */
export async function listPlaybooks(
  { em, tenantId }: OperationContext,
  filter: PlaybookFilter,
  range: PageRange,
): Promise<Playbook[]> {
  const [above, below] = [range.after?.[0], range.before?.[0]];
  const key = { ...(above === undefined ? {} : { $gt: above }), ...(below === undefined ? {} : { $lt: below }) };
  return em.find(
    Playbook,
    { $and: [{ tenantId }, whereOf(filter), { key }] },
    { orderBy: { key: range.isInverted ? "desc" : "asc" }, limit: range.limit, disableIdentityMap: true },
  );
}

/** How many the filter lets through. @throws BadInputError for a filter beyond its bounds. */
export async function countPlaybooks({ em, tenantId }: OperationContext, filter: PlaybookFilter): Promise<number> {
  return em.count(Playbook, { $and: [{ tenantId }, whereOf(filter)] });
}

function whereOf(filter: PlaybookFilter): FilterQuery<Playbook> {
  requireFilterTexts(filter);
  const { search, tags, enabled, event } = filter;
  const words = search?.trim();
  return {
    ...(words ? { $or: searched.map((field) => ({ [field]: { $ilike: containing(words) } })) } : {}),
    ...(tags && tags.length > 0 ? { tags: { $contains: [...tags] } } : {}),
    ...(enabled == null ? {} : { enabled }),
    ...(event == null ? {} : { event }),
  };
}

const searched = ["key", "name", "description"] as const;
