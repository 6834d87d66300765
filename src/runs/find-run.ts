import { isUuid } from "../core/ids.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Run } from "./entities.ts";

/**
 * How runs are read for showing: as they are now, with the sequence of their last event read in the same statement, so that a stream
 * past it misses nothing that the answer does not show.
 */
export const asShown = { disableIdentityMap: true, populate: ["lastSequence"] } as const;

/** A run of the caller's tenant by its own id; null for anything else, also for what is no id at all. */
export async function findRun({ em, tenantId }: OperationContext, id: string): Promise<Run | null> {
  if (!isUuid(id)) return null;
  return em.findOne(Run, { id, tenantId }, asShown);
}
