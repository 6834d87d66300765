import type { EntityManager } from "@mikro-orm/postgresql";
import { RunEvent as RunEventEntity } from "./entities.ts";
import { type EventRow, fromRow, type RunEvent } from "./events.ts";
import { fold, type RunState, unstarted } from "./fold.ts";

interface EventRange {
  readonly tenantId: string;
  readonly runId: string;
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit?: number;
  readonly order?: "asc" | "desc";
}

/** Events of a run of the tenant, in order. */
export async function readEvents(em: EntityManager, range: EventRange): Promise<readonly RunEvent[]> {
  const { tenantId, runId, after, before, limit, order = "asc" } = range;
  const rows = await em.find(
    RunEventEntity,
    {
      runId,
      tenantId,
      ...(after === undefined && before === undefined
        ? {}
        : {
            sequence: {
              ...(after === undefined ? {} : { $gt: after }),
              ...(before === undefined ? {} : { $lt: before }),
            },
          }),
    },
    { orderBy: { sequence: order }, disableIdentityMap: true, ...(limit === undefined ? {} : { limit }) },
  );
  return rows.map(eventOf);
}

export function countEvents(em: EntityManager, { tenantId, runId }: EventRange): Promise<number> {
  return em.count(RunEventEntity, { tenantId, runId });
}

/** The states of runs of the tenant as of now, by their ids; a run without events is not in the answer. */
export async function readStates(
  em: EntityManager,
  { tenantId, runIds }: { readonly tenantId: string; readonly runIds: readonly string[] },
): Promise<ReadonlyMap<string, RunState>> {
  const rows = await em.find(
    RunEventEntity,
    { runId: { $in: [...runIds] }, tenantId, type: { $ne: "LOG" } },
    { orderBy: { runId: "asc", sequence: "asc" }, disableIdentityMap: true },
  );
  const states = new Map<string, RunState>();
  for (const row of rows) states.set(row.runId, fold(states.get(row.runId) ?? unstarted, eventOf(row)));
  return states;
}

function eventOf(row: RunEventEntity): RunEvent {
  return fromRow({
    sequence: row.sequence,
    at: row.at.getTime(),
    runAttempt: row.runAttempt,
    type: row.type,
    stepId: row.stepId ?? null,
    attempt: row.attempt ?? null,
    label: row.label,
    body: (row.body ?? null) as EventRow["body"],
  });
}
