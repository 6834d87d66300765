import type { FilterQuery } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { BadInputError } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { type PageArguments, type PageRange, resolvePage } from "../core/keyset-page.ts";
import { sequenceMax } from "./chain.ts";
import { AuditEntry } from "./entities.ts";

/** What is left out does not narrow. */
export interface AuditFilter {
  readonly operation?: string | null | undefined;
  readonly subject?: string | null | undefined;
  /** Done then or later. */
  readonly since?: Date | null | undefined;
  /** Done before then. */
  readonly until?: Date | null | undefined;
}

/** Of the entries that the server has numbered; verifying names the others. */
const given = { $gte: 1, $lte: sequenceMax };

/** An entry that has its place in the chain. */
export type PlacedEntry = AuditEntry & { readonly sequence: number; readonly hash: string };

/**
 * The tenant's sealed entries, the newest first.
 * @throws BadInputError for a page size out of bounds and for a cursor that is none of this connection's.
 */
export function listEntries(
  { em, tenantId }: { readonly em: EntityManager; readonly tenantId: string },
  page: PageArguments,
  filter: AuditFilter,
) {
  const narrowed = whereOf(tenantId, filter);
  return resolvePage<PlacedEntry>(page, {
    keyLength: 1,
    key: ({ sequence }) => [String(sequence)],
    count: () => em.count(AuditEntry, { ...narrowed, sequence: given } as FilterQuery<AuditEntry>),
    find: async (range) => {
      const orderBy = { sequence: range.isInverted ? ("asc" as const) : ("desc" as const) };
      const where = { ...narrowed, sequence: { ...given, ...placesIn(range) } } as FilterQuery<AuditEntry>;
      return (await em.find(AuditEntry, where, {
        orderBy,
        limit: range.limit,
        disableIdentityMap: true,
      })) as PlacedEntry[];
    },
  });
}

function whereOf(tenantId: string, { operation, subject, since, until }: AuditFilter) {
  const at = { ...(since == null ? {} : { $gte: since }), ...(until == null ? {} : { $lt: until }) };
  return {
    tenantId,
    ...(operation == null ? {} : { operation: storable(operation) }),
    ...(subject == null ? {} : { subject: storable(subject) }),
    ...(since == null && until == null ? {} : { at }),
  };
}

/** What can't be stored is no entry's. */
function storable(text: string): string | { readonly $in: readonly string[] } {
  return isStorableText(text) ? text : { $in: [] };
}

function placesIn({ after, before }: PageRange) {
  const [below, above] = [after?.[0], before?.[0]];
  for (const place of [below, above]) {
    if (place !== undefined && !/^[1-9]\d{0,14}$/.test(place))
      throw new BadInputError("This is no cursor of this connection.");
  }
  return {
    ...(below === undefined ? {} : { $lt: Number(below) }),
    ...(above === undefined ? {} : { $gt: Number(above) }),
  };
}
