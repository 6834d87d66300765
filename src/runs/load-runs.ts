import type { Pool } from "pg";
import type { Json, JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { sliced } from "../core/sliced.ts";
import type { Plan } from "../playbooks/plan.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import { actionPlan } from "./action-plan.ts";
import type { Chain } from "./chain.ts";
import { lastSequencesSql, loadEventsSql, loadRunsSql, signalsSql } from "./claim-sql.ts";
import { type EventRow, fromRow } from "./events.ts";
import type { RunInfo } from "./new-run.ts";
import { joinInputs } from "./run-inputs.ts";
import type { Signal } from "./signal.ts";
import { transition } from "./transition.ts";
import { beginning, type RunPlan, type Walk } from "./walk.ts";

export interface LoadPorts {
  readonly pool: Pool;
  readonly playbookPlan: (tenantId: string, versionId: string) => Plan | Promise<Plan>;
  /** The text that was sealed. */
  readonly openSecrets: (tenantId: string, runId: string, sealed: string) => Promise<string>;
}

export interface LoadedRun {
  readonly info: RunInfo;
  readonly walk: Walk;
  readonly signals: readonly Signal[];
}

interface RunRow {
  readonly id: string;
  readonly tenantId: string;
  readonly kind: "ACTION" | "PLAYBOOK";
  readonly playbookVersionId: string | null;
  readonly actionId: string | null;
  readonly actionVersionId: string | null;
  readonly actionName: string | null;
  readonly actionVersion: string | null;
  readonly context: Json;
  readonly parameters: Json;
  readonly sealedSecrets: string | null;
  readonly createdAt: Date;
  readonly playbookId: string | null;
  readonly byKind: Actor["kind"];
  readonly byName: string;
  readonly byId: string | null;
  readonly dryRun: boolean;
  readonly sandbox: boolean;
  readonly chain: Chain | null;
  readonly eventType: string | null;
}

type StoredEvent = Omit<EventRow, "at"> & { readonly runId: string; readonly at: string };

/** Reads runs as their events left them. One that can't be read comes back as the reason why; the others are not held up. */
export async function loadRuns(ports: LoadPorts, ids: readonly string[]): Promise<Map<string, LoadedRun | Error>> {
  const { pool } = ports;
  const [runs, events, lasts, signals] = await Promise.all([
    pool.query<RunRow>(loadRunsSql, [ids]),
    pool.query<StoredEvent>(loadEventsSql, [ids]),
    pool.query<{ runId: string; sequence: number | null }>(lastSequencesSql, [ids]),
    pool.query<Signal & { runId: string }>(signalsSql, [ids]),
  ]);
  const infos = new Map<string, RunInfo | Error>();
  for (const row of runs.rows) infos.set(row.id, await infoOf(ports, row).catch(errorOf));
  const stored: Stored = {
    eventsOf: Map.groupBy(events.rows, ({ runId }) => runId),
    signalsOf: Map.groupBy(signals.rows, ({ runId }) => runId),
    lastOf: new Map(lasts.rows.map(({ runId, sequence }) => [runId, sequence ?? 0])),
  };
  return sliced(replaying(infos, stored), limits.takeUpSliceMs);
}

/** What was read of runs, by their ids. */
interface Stored {
  readonly eventsOf: ReadonlyMap<string, readonly StoredEvent[]>;
  readonly signalsOf: ReadonlyMap<string, readonly Signal[]>;
  readonly lastOf: ReadonlyMap<string, number>;
}

function* replaying(
  infos: ReadonlyMap<string, RunInfo | Error>,
  { eventsOf, signalsOf, lastOf }: Stored,
): Generator<void, Map<string, LoadedRun | Error>> {
  const loaded = new Map<string, LoadedRun | Error>();
  for (const [id, info] of infos) {
    try {
      if (info instanceof Error) throw info;
      const walk = replay(info.plan, eventsOf.get(id) ?? [], lastOf.get(id) ?? 0);
      loaded.set(id, { info, walk, signals: signalsOf.get(id) ?? [] });
    } catch (error) {
      loaded.set(id, errorOf(error));
    }
    yield;
  }
  return loaded;
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The walk that the events led to. The commands of then were answered by later events, or are what `ready` holds. */
function replay(plan: RunPlan, events: readonly StoredEvent[], lastSequence: number): Walk {
  let walk = beginning;
  for (const row of events) [walk] = transition(plan, walk, fromRow({ ...row, at: Math.round(Number(row.at)) }));
  return { ...walk, run: { ...walk.run, sequence: lastSequence } };
}

async function infoOf(ports: LoadPorts, row: RunRow): Promise<RunInfo> {
  const { id, tenantId, kind } = row;
  const sealed = row.sealedSecrets === null ? undefined : await ports.openSecrets(tenantId, id, row.sealedSecrets);
  const shown = {
    context: (row.context ?? {}) as JsonObject,
    ...(row.parameters === null ? {} : { parameters: row.parameters as JsonObject }),
  };
  return {
    ...joinInputs(shown, sealed),
    id,
    tenantId,
    kind,
    plan: await planOf(ports, row),
    createdAt: row.createdAt.getTime(),
    startedBy: { kind: row.byKind, name: row.byName, ...(row.byId === null ? {} : { id: row.byId }) },
    dryRun: row.dryRun,
    sandbox: row.sandbox,
    ...(row.actionVersionId === null ? {} : { actionVersionId: row.actionVersionId }),
    ...(row.playbookId === null ? {} : { playbookId: row.playbookId }),
    ...(row.chain === null ? {} : { chain: row.chain }),
    ...(row.eventType === null ? {} : { eventType: row.eventType }),
  };
}

async function planOf({ playbookPlan }: LoadPorts, row: RunRow): Promise<RunPlan> {
  if (row.playbookVersionId !== null)
    return { ...(await playbookPlan(row.tenantId, row.playbookVersionId)), kind: "PLAYBOOK" };
  const { actionId, actionName: name, actionVersion: version } = row;
  if (actionId === null || name === null || version === null) throw new Error(`Run ${row.id} names nothing to run.`);
  return actionPlan({ actionId, name, version });
}
