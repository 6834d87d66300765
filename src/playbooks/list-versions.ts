import type { FilterQuery, FindOptions } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { BadInputError } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { type PageArguments, resolvePage } from "../graphql/connection.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { PlaybookVersion } from "./entities.ts";

/** What is read of a version unless its text is asked for, which may be a megabyte. */
export const headFields = ["id", "tenantId", "createdAt", "playbookId", "version", "format", "pins"] as const;

/** A version without its source and document. */
export type VersionHead = Pick<PlaybookVersion, (typeof headFields)[number]>;

/**
 * A page of a playbook's versions, the one registered last first: UUIDv7s sort by when they were made.
 * @throws BadInputError for a page size or a cursor that is none.
 */
export function listVersions({ em, tenantId }: OperationContext, playbookId: string, args: PageArguments) {
  return resolvePage<VersionHead>(args, {
    keyLength: 1,
    key: ({ id }) => [id],
    count: () => em.count(PlaybookVersion, { tenantId, playbookId }),
    find: ({ limit, after, before, isInverted }) => {
      const [below, above] = [after?.[0], before?.[0]];
      for (const id of [below, above]) {
        if (id !== undefined && !isUuid(id)) throw new BadInputError("This is no cursor of this connection.");
      }
      const range = { ...(below === undefined ? {} : { $lt: below }), ...(above === undefined ? {} : { $gt: above }) };
      return findHeads(
        em,
        { tenantId, playbookId, id: range },
        { orderBy: { id: isInverted ? "asc" : "desc" }, limit },
      );
    },
  });
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
