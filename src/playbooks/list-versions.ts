import type { FilterQuery, FindOptions } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { BadInputError } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import type { PageRange } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { PlaybookVersion } from "./entities.ts";

/** What is read of a version unless its text is asked for, which may be a megabyte. */
export const headFields = ["id", "tenantId", "createdAt", "playbookId", "version", "format", "pins"] as const;

/** A version without its source and document. */
export type VersionHead = Pick<PlaybookVersion, (typeof headFields)[number]>;

/**
 * A playbook's versions, the one registered last first: UUIDv7s sort by when they were made. The range is between two ids.
 * @throws BadInputError for an id that is none.
 */
export function listVersions(
  { em, tenantId }: OperationContext,
  playbookId: string,
  range: PageRange,
): Promise<VersionHead[]> {
  const [below, above] = [range.after?.[0], range.before?.[0]];
  for (const id of [below, above]) {
    if (id !== undefined && !isUuid(id)) throw new BadInputError("This is no cursor of this connection.");
  }
  const id = { ...(below === undefined ? {} : { $lt: below }), ...(above === undefined ? {} : { $gt: above }) };
  const orderBy = { id: range.isInverted ? "asc" : "desc" } as const;
  return findHeads(em, { tenantId, playbookId, id }, { orderBy, limit: range.limit });
}

/** Versions without their texts. */
export async function findHeads(
  em: EntityManager,
  where: FilterQuery<PlaybookVersion>,
  options: Pick<FindOptions<PlaybookVersion>, "orderBy" | "limit"> = {},
): Promise<VersionHead[]> {
  const heads = await em.find(PlaybookVersion, where, { ...options, fields: headFields, disableIdentityMap: true });
  // The ORM takes the list in the JSON column for a relation.
  return heads as unknown as VersionHead[];
}
