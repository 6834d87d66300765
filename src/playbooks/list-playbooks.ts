import type { FilterQuery } from "@mikro-orm/core";
import { BadInputError } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import { type PageArguments, type PageRange, resolvePage } from "../graphql/connection.ts";
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
 * A page of the tenant's playbooks, by key.
 * @throws BadInputError for a filter beyond its bounds, a page size or a cursor that is none.
 */
export function listPlaybooks(ctx: OperationContext, args: PageArguments, filter: PlaybookFilter) {
  const { em, tenantId } = ctx;
  const wanted: FilterQuery<Playbook> = { $and: [{ tenantId }, whereOf(filter)] };
  return resolvePage<Playbook>(args, {
    keyLength: 1,
    key: ({ key }) => [key],
    count: () => em.count(Playbook, wanted),
    find: (range) =>
      em.find(
        Playbook,
        { $and: [wanted, within(range)] },
        { orderBy: { key: range.isInverted ? "desc" : "asc" }, limit: range.limit, disableIdentityMap: true },
      ),
  });
}

function within({ after, before }: PageRange): FilterQuery<Playbook> {
  const [above, below] = [after?.[0], before?.[0]];
  return { key: { ...(above === undefined ? {} : { $gt: above }), ...(below === undefined ? {} : { $lt: below }) } };
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
