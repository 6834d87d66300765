import { type ChangesPorts, streamChanges } from "../database/tenant-changes.ts";
import { Run } from "./entities.ts";
import type { RunStatus } from "./events.ts";
import { asShown } from "./find-run.ts";
import { type RunFilter, unchanging, whereOf } from "./run-filter.ts";

export interface RunUpdate {
  /** All that this subscriber has not seen has a transaction not below it. */
  readonly xid: number;
  readonly matches: boolean;
  readonly run: Run;
}

interface Subscription {
  readonly tenantId: string;
  readonly filter: RunFilter;
  /** From a cursor: everything that changed in this transaction or later. Without it, what changes from now on. */
  readonly after: number | undefined;
}

/** The latest head of every run of the tenant that changed, at least once. */
export async function* streamRunUpdates(
  ports: ChangesPorts,
  { tenantId, filter, after }: Subscription,
): AsyncGenerator<RunUpdate> {
  const where = whereOf(tenantId, unchanging(filter));
  const { populate } = asShown;
  for await (const { row, xid } of streamChanges(ports, { entity: Run, tenantId, where, populate, after })) {
    yield { run: row, matches: matches(filter.status, row), xid };
  }
}

function matches(status: readonly RunStatus[] | undefined, run: Run): boolean {
  return status === undefined || status.includes(run.status);
}
