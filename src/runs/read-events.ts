import type { EntityManager } from "@mikro-orm/postgresql";
import { RunEvent as RunEventEntity } from "./entities.ts";
import { fromRow, type RunEvent } from "./events.ts";
import { fold, type RunState, unstarted } from "./fold.ts";

interface EventRange {
  readonly tenantId: string;
  readonly runId: string;
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit?: number;
  readonly order?: "asc" | "desc";
  /** Without the log lines: what a fold needs. */
  readonly part?: "all" | "state";
}

/** Events of a run of the tenant, in order. */
export async function readEvents(em: EntityManager, range: EventRange): Promise<readonly RunEvent[]> {
  const { tenantId, runId, after, before, limit, order = "asc", part = "all" } = range;
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
      ...(part === "state" ? { type: { $ne: "LOG" as const } } : {}),
    },
    { orderBy: { sequence: order }, disableIdentityMap: true, ...(limit === undefined ? {} : { limit }) },
  );
  return rows.map((row) =>
    fromRow({
      sequence: row.sequence,
      at: row.at.getTime(),
      runAttempt: row.runAttempt,
      type: row.type,
      stepId: row.stepId ?? null,
      attempt: row.attempt ?? null,
      label: row.label,
      body: (row.body ?? null) as never,
    }),
  );
}

export function countEvents(em: EntityManager, { tenantId, runId }: EventRange): Promise<number> {
  return em.count(RunEventEntity, { tenantId, runId });
}

/** The state of a run as of now. */
export async function readState(em: EntityManager, run: { id: string; tenantId: string }): Promise<RunState> {
  const events = await readEvents(em, { tenantId: run.tenantId, runId: run.id, part: "state" });
  return events.reduce(fold, unstarted);
}
