import type { FilterQuery } from "@mikro-orm/core";
import { BadInputError } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
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

/** At most `limit` of them, strictly between two keys, in the order of keys or (`isInverted`) against it. */
export interface KeyRange {
  readonly limit: number;
  readonly after: readonly string[] | undefined;
  readonly before: readonly string[] | undefined;
  readonly isInverted: boolean;
}

/**
 * The tenant's playbooks that the filter lets through, by key.
 * @throws BadInputError for a filter beyond its bounds.
 */
export function listPlaybooks(
  { em, tenantId }: OperationContext,
  filter: PlaybookFilter,
  range: KeyRange,
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
export function countPlaybooks({ em, tenantId }: OperationContext, filter: PlaybookFilter): Promise<number> {
  return em.count(Playbook, { $and: [{ tenantId }, whereOf(filter)] });
}

function whereOf({ search, tags, enabled, event }: PlaybookFilter): FilterQuery<Playbook> {
  for (const text of [search, event, ...(tags ?? [])]) {
    if (text != null && (text.length > limits.nameLengthMax || text.includes("\u0000"))) {
      throw new BadInputError(`A filter's text is at most ${limits.nameLengthMax} characters long, without NUL.`);
    }
  }
  if (tags && tags.length > limits.tagsMax) throw new BadInputError(`A filter names at most ${limits.tagsMax} tags.`);
  const pattern = search ? `%${search.replaceAll(/[\\%_]/g, "\\$&")}%` : undefined;
  return {
    ...(pattern === undefined ? {} : { $or: searched.map((field) => ({ [field]: { $ilike: pattern } })) }),
    ...(tags && tags.length > 0 ? { tags: { $contains: [...tags] } } : {}),
    ...(enabled == null ? {} : { enabled }),
    ...(event == null ? {} : { event }),
  };
}

const searched = ["key", "name", "description"] as const;
