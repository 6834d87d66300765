import { gathered } from "../core/gathered.ts";
import { type Execute, isRefusal } from "../database/statement.ts";
import { completeDispatches, type DispatchEnd, insertDispatches, type NewDispatch } from "./dispatch-rows.ts";
import type { LiveActionDispatch } from "./entities.ts";
import { type Governance, type GovernanceQuestion, readGovernances } from "./governance.ts";

/**
 * What every dispatch asks of the database, each a statement and a transaction of its own. Those of a tenant that come while one is under way
 * go together into the next, so that fifty at once cost hardly more than one.
 */
export interface DispatchStore {
  governance(question: GovernanceQuestion & { readonly tenantId: string }): Promise<Governance>;
  /** As `insertDispatch`. */
  insert(row: NewDispatch): Promise<LiveActionDispatch | undefined>;
  /** As `completeDispatch`. */
  complete(end: DispatchEnd): Promise<LiveActionDispatch | undefined>;
}

/** What runs the statements for a tenant. */
interface StoreParts {
  /** Of requests. */
  readonly asking: (tenantId: string) => Execute;
  /** Of what goes on by itself: it shares no connection with requests, and what a vendor has done is written whoever asks meanwhile. */
  readonly ending: (tenantId: string) => Execute;
  /** Whether there are other nodes. */
  readonly hasPeers: () => boolean;
}

export function createDispatchStore({ asking, ending, hasPeers }: StoreParts): DispatchStore {
  return {
    governance: ofTenant(async (tenantId, questions) => readGovernances(asking(tenantId), tenantId, questions)),
    insert: ofTenant((tenantId, rows) => insertDispatches(asking(tenantId), rows, hasPeers())),
    complete: ofTenant((tenantId, ends) => completeDispatches(ending(tenantId), ends, hasPeers())),
  };
}

function ofTenant<Item extends { readonly tenantId: string }, Answer>(
  work: (tenantId: string, items: readonly Item[]) => Promise<readonly Answer[]>,
): (item: Item) => Promise<Answer> {
  return gathered<Item, Answer>({
    keyOf: ({ tenantId }) => tenantId,
    together: (items) => work((items[0] as Item).tenantId, items),
    mayBeOfOne: isRefusal,
  });
}
