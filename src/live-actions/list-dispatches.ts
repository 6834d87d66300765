import { isUuid } from "../core/ids.ts";
import { newestFirst, type PageArguments, resolvePage } from "../core/keyset-page.ts";
import { type ChangesPorts, streamChanges } from "../database/tenant-changes.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { type DispatchFilter, matches, requireFilter, unchanging, whereOf } from "./dispatch-filter.ts";
import { unshared } from "./dispatch-rows.ts";
import { LiveActionDispatch } from "./entities.ts";

/** Dispatches of the caller's tenant, newest first. @throws BadInputError for a page out of bounds, a foreign cursor, or a filter that is none. */
export function listDispatches({ em, tenantId }: OperationContext, args: PageArguments, filter: DispatchFilter) {
  requireFilter(filter);
  const where = whereOf(tenantId, filter);
  return resolvePage<LiveActionDispatch>(args, {
    key: ({ id }) => [id],
    keyLength: 1,
    find: (range) => {
      const { id, options } = newestFirst(range);
      return em.find(LiveActionDispatch, { $and: [where, { id }] }, { ...unshared, ...options });
    },
    count: () => em.count(LiveActionDispatch, where),
  });
}

/** Dispatches of the caller's tenant by their own ids, in no order; what is none there is not in the answer. */
export function findDispatches(
  { em, tenantId }: OperationContext,
  ids: readonly string[],
): Promise<LiveActionDispatch[]> {
  return em.find(LiveActionDispatch, { id: { $in: ids.filter(isUuid) }, tenantId }, unshared);
}

export interface DispatchUpdate {
  /** All that this subscriber has not seen has a transaction not below it. */
  readonly xid: number;
  readonly matches: boolean;
  readonly dispatch: LiveActionDispatch;
}

interface Subscription {
  readonly tenantId: string;
  readonly filter: DispatchFilter;
  /** From a cursor: everything that changed in this transaction or later. Without it, what changes from now on. */
  readonly after: number | undefined;
}

/** The latest state of every dispatch of the tenant that changed, at least once. */
export async function* streamDispatchUpdates(
  ports: ChangesPorts,
  { tenantId, filter, after }: Subscription,
): AsyncGenerator<DispatchUpdate> {
  const where = whereOf(tenantId, unchanging(filter));
  const subscription = { entity: LiveActionDispatch, tenantId, where, after };
  for await (const { row, xid } of streamChanges<LiveActionDispatch>(ports, subscription)) {
    yield { dispatch: row, matches: matches(filter, row), xid };
  }
}
