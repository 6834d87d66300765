import type { FilterQuery, FindOptions } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { newestFirst, type PageRange } from "../core/keyset-page.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { PlaybookVersion } from "./entities.ts";

/** What is read of a version unless its text is asked for, which may be a megabyte. */
export const headFields = ["id", "tenantId", "createdAt", "playbookId", "version", "format", "pins"] as const;

/** A version without its source and document. */
export type VersionHead = Pick<PlaybookVersion, (typeof headFields)[number]>;

/**
 * A playbook's versions, the one registered last first. The range is between two ids.
 * @throws BadInputError for an id that is none.
 */
export async function listVersions(
  { em, tenantId }: OperationContext,
  playbookId: string,
  range: PageRange,
): Promise<VersionHead[]> {
  const { id, options } = newestFirst(range);
  return findHeads(em, { tenantId, playbookId, id }, options);
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
