import { ByteBoundedCache } from "../core/byte-bounded-cache.ts";
import { gathered } from "../core/gathered.ts";
import { limits } from "../core/limits.ts";
import { type Execute, isRefusal } from "../database/statement.ts";
import {
  completeDispatches,
  type DispatchEnd,
  insertDispatches,
  type NewDispatch,
  type Written,
} from "./dispatch-rows.ts";
import type { LiveActionDispatch } from "./entities.ts";
import { type Governance, type GovernanceQuestion, readGovernances } from "./governance.ts";

/** What became of a dispatch that was to be written, and when. */
export interface Begun extends Written {
  /** By this process' `performance.now()`: before its lease began. */
  readonly since: number;
}

/**
 * What every dispatch asks of the database, each a statement and a transaction of its own. Those of a tenant that come while one is under way
 * go together into the next, so that fifty at once cost hardly more than one.
 */
export interface DispatchStore {
  /** What the tenant said last, as this node heard it: a dispatch that goes by it is written with `expected`, which makes sure of it. */
  governance(question: GovernanceQuestion): Promise<Governance>;
  /** What the tenant says now. */
  readGovernance(question: GovernanceQuestion): Promise<Governance>;
  /** As `insertDispatches`. */
  insert(row: NewDispatch): Promise<Begun>;
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
  const heard = new ByteBoundedCache<Governance>(limits.governanceBytesMax);
  const read = ofTenant((tenantId, questions: readonly GovernanceQuestion[]) =>
    readGovernances(asking(tenantId), questions),
  );
  const readGovernance = async (question: GovernanceQuestion): Promise<Governance> => {
    const governance = await read(question);
    const key = keyOf(question);
    // Names that no secret has are in the key alone.
    heard.set(key, governance, key.length + governance.said.length);
    return governance;
  };
  return {
    governance: async (question) => heard.get(keyOf(question)) ?? readGovernance(question),
    readGovernance,
    insert: ofTenant(async (tenantId, rows: readonly NewDispatch[]): Promise<Begun[]> => {
      const since = performance.now();
      const written = await insertDispatches(asking(tenantId), rows, hasPeers());
      return written.map((one) => ({ ...one, since }));
    }),
    complete: ofTenant((tenantId, ends) => completeDispatches(ending(tenantId), ends, hasPeers())),
  };
}

function keyOf({ tenantId, capability, secretNames }: GovernanceQuestion): string {
  return JSON.stringify([tenantId, capability, secretNames]);
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
