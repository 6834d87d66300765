import { fromRow, type RunEvent } from "../../../src/runs/events.ts";
import type { RunHead } from "../../runs/run-problems.ts";
import type { ChaosCluster } from "./cluster.ts";

/** A run as the database holds it. */
export interface RunRecord extends RunHead {
  readonly id: string;
  readonly playbook: string;
  readonly dryRun: boolean;
  readonly eventId: string | null;
  readonly rerunOfId: string | null;
  readonly events: readonly RunEvent[];
}

export interface ApprovalRecord {
  readonly id: string;
  readonly runId: string;
  readonly stepId: string;
  readonly status: "PENDING" | "APPROVED" | "REJECTED" | "EXPIRED" | "CLOSED";
}

export interface TriggerRecord {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly isDispatched: boolean;
}

/** All that is left of the chaos. */
export interface History {
  readonly runs: ReadonlyMap<string, RunRecord>;
  readonly approvals: readonly ApprovalRecord[];
  readonly triggers: readonly TriggerRecord[];
}

export async function readHistory(cluster: ChaosCluster): Promise<History> {
  const heads = await cluster.query<Omit<RunRecord, "events">>(runsSql);
  const rows = await cluster.query<EventRecord>(eventsSql);
  const eventsOf = Map.groupBy(rows, ({ runId }) => runId);
  const runs = heads.map((head): [string, RunRecord] => {
    const events = (eventsOf.get(head.id) ?? []).map((row) => fromRow({ ...row, at: Math.round(Number(row.at)) }));
    return [head.id, { ...head, events }];
  });
  return {
    runs: new Map(runs),
    approvals: await cluster.query<ApprovalRecord>(approvalsSql),
    triggers: await cluster.query<TriggerRecord>(triggersSql),
  };
}

type EventRecord = Parameters<typeof fromRow>[0] & { readonly runId: string };

const runsSql = `
select run.id, playbook.key as playbook, run.status, run.owner_id as "ownerId", run.wake_at as "wakeAt", run.finished_at as "finishedAt",
  run.attempt, run.failed_step_count as failed, run.simulated_step_count as simulated, run.error_code as "errorCode",
  run.sealed_secrets as "sealedSecrets", run.dry_run as "dryRun", run.event_id as "eventId", run.rerun_of_id as "rerunOfId"
from run join playbook on playbook.id = run.playbook_id`;

const eventsSql = `
select run_id as "runId", sequence, extract(epoch from at) * 1000 as at, run_attempt as "runAttempt", type, step_id as "stepId", attempt,
  label, body
from run_event order by run_id, sequence`;

const approvalsSql = `select id, run_id as "runId", step_id as "stepId", status from approval`;

const triggersSql = `select id, type, key, dispatched_at is not null as "isDispatched" from trigger_event`;
