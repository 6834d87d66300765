import { defineEntity, p } from "@mikro-orm/core";
import type { Json } from "../core/json.ts";
import { createdAt, identity, tenantOwned } from "../database/columns.ts";
import type { Chain } from "./chain.ts";

export const runKinds = ["ACTION", "PLAYBOOK"] as const;
export const runStatuses = [
  "QUEUED",
  "RUNNING",
  "WAITING",
  "SUCCEEDED",
  "FAILED",
  "TIMED_OUT",
  "CANCELLED",
  "SKIPPED",
] as const;
export const actorKinds = ["TOKEN", "MEMBER", "AGENT", "SYSTEM"] as const;
export const runEventTypes = ["RUN_STATUS", "STEP_STATUS", "LOG", "NOTICE"] as const;
export const runSignalTypes = ["CANCEL", "APPROVAL", "NOTICE"] as const;

/** One process of the cluster. Its row is never used again by another process. */
const NodeSchema = defineEntity({
  name: "ClusterNode",
  tableName: "node",
  properties: {
    id: p.integer().primary().autoincrement(),
    /** Raised when the node is declared dead: what it still tries to write then is refused. */
    epoch: p.integer().default(1),
    /** Says on which machine and in which process namespace `pid` means something. */
    host: p.string().length(255),
    pid: p.integer(),
    /** When the process began, as the operating system tells it: a pid alone may be another's by now. */
    processStart: p.string().length(64),
    startedAt: p.datetime().defaultRaw("now()"),
    heartbeatAt: p.datetime().defaultRaw("now()"),
    /** Set when the node left or was declared dead. */
    leftAt: p.datetime().nullable(),
  },
});
export class ClusterNode extends NodeSchema.class {}
NodeSchema.setClass(ClusterNode);

/** The head of a run. What happened in it is in `run_event`. */
const RunSchema = defineEntity({
  name: "Run",
  tableName: "run",
  checks: [
    {
      name: "run_finished_iff_terminal",
      expression: "(finished_at is not null) = (status in ('SUCCEEDED','FAILED','CANCELLED','TIMED_OUT','SKIPPED'))",
    },
    { name: "run_kind_names_what_runs", expression: "(kind = 'PLAYBOOK') = (playbook_version_id is not null)" },
    { name: "run_secrets_are_erased", expression: "finished_at is null or sealed_secrets is null" },
    { name: "run_ended_has_no_owner", expression: "finished_at is null or owner_id is null" },
    { name: "run_free_knows_when", expression: "(owner_id is null and finished_at is null) = (wake_at is not null)" },
  ],
  uniques: [
    {
      name: "run_idempotency_key",
      expression: (columns, table, indexName) =>
        `create unique index "${indexName}" on "${table.name}" ("${columns.tenantId}", "${columns.idempotencyKey}") where "${columns.idempotencyKey}" is not null`,
    },
  ],
  indexes: [
    { properties: ["tenantId", "createdAt", "id"] },
    { properties: ["tenantId", "changedXid"] },
    {
      name: "run_free",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.wakeAt}") where "${columns.wakeAt}" is not null`,
    },
    {
      name: "run_owned",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.ownerId}") where "${columns.ownerId}" is not null`,
    },
    {
      name: "run_of_playbook",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.tenantId}", "${columns.playbookId}", "${columns.id}" desc) where "${columns.playbookId}" is not null`,
    },
    {
      name: "run_of_event",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.eventId}") where "${columns.eventId}" is not null`,
    },
    {
      name: "run_of_chain",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" (("${columns.chain}"->>'rootId')) where "${columns.chain}" is not null`,
    },
    {
      name: "run_of_action",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.tenantId}", "${columns.actionId}", "${columns.id}" desc) where "${columns.actionId}" is not null`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    kind: p.enum(runKinds),
    status: p.enum(runStatuses),
    // No foreign keys: rows are written by the journal, many at once, and versions are never deleted.
    playbookId: p.uuid().nullable(),
    playbookVersionId: p.uuid().nullable(),
    actionId: p.uuid().nullable(),
    actionVersionId: p.uuid().nullable(),
    /** What the run was started with: `{finding, asset, …}`. */
    context: p.json().$type<Json>(),
    /** The caller's parameters of an action executed by itself, secrets left out. */
    parameters: p.json().$type<Json>().nullable(),
    /** The secrets given with the call, as one JWE; erased when the run ends. */
    sealedSecrets: p.text().nullable(),
    sandbox: p.boolean().default(false),
    dryRun: p.boolean().default(false),
    startedByKind: p.enum(actorKinds),
    startedByName: p.string().length(255),
    /** The token or person behind it: who started it, emitted its event, or began the chain that led to it. */
    startedById: p.uuid().nullable(),
    idempotencyKey: p.string().length(255).nullable(),
    /** SHA-256 of the canonical input that came with the idempotency key. */
    inputHash: p.string().length(64).nullable(),
    /** The node that runs it; null when it is free to be claimed, or has ended. */
    ownerId: p.integer().nullable(),
    /**
     * About the bytes that it takes in a node's memory, no more than `heldLagBytes` ago; null where an older version of the server wrote it, and
     * once it has ended.
     */
    heldBytes: p.integer().nullable(),
    /** From when a free run may be claimed; null while it is owned and once it has ended. */
    wakeAt: p.datetime().nullable(),
    startedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
    attempt: p.integer().default(1),
    failedStepCount: p.integer().default(0),
    simulatedStepCount: p.integer().default(0),
    errorCode: p.string().length(255).nullable(),
    errorMessage: p.text().nullable(),
    rerunOfId: p.uuid().nullable(),
    /** The event that started it. */
    eventId: p.uuid().nullable(),
    /** Set where an action's completion started it, directly or not. */
    chain: p.json().$type<Chain>().nullable(),
    /** Sequence of the last event, as of the statement that reads the head; only where it is asked for. */
    lastSequence: p
      .integer()
      .$type<number>()
      .nullable()
      .lazy()
      .formula((columns) => `(select max(sequence) from run_event where run_id = ${columns.id})`),
    /** The transaction that changed the head last: streams of a tenant read what changed since a snapshot by it. */
    changedXid: p.bigint("number").defaultRaw("((pg_current_xact_id())::text)::bigint"),
  },
});
export class Run extends RunSchema.class {}
RunSchema.setClass(Run);

/** What happened in a run, numbered from 1 without gaps. Never changed. */
const RunEventSchema = defineEntity({
  name: "RunEvent",
  tableName: "run_event",
  properties: {
    runId: p.uuid().primary(),
    sequence: p.integer().primary(),
    ...tenantOwned,
    at: p.datetime(),
    runAttempt: p.integer(),
    type: p.enum(runEventTypes),
    stepId: p.string().length(128).nullable(),
    attempt: p.integer().nullable(),
    /** Of the run or the step, by type; the stream of a log line; the code of a notice. */
    label: p.string().length(64),
    /** The rest: output, error, input, text, message. */
    body: p.json().$type<Json>().nullable(),
  },
});
export class RunEvent extends RunEventSchema.class {}
RunEventSchema.setClass(RunEvent);

/** Something a run must hear of, wherever it is: its owner makes an event of it and deletes the row in the same transaction. */
const RunSignalSchema = defineEntity({
  name: "RunSignal",
  tableName: "run_signal",
  indexes: [{ properties: ["runId"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    runId: p.uuid(),
    type: p.enum(runSignalTypes),
    body: p.json().$type<Json>(),
  },
});
export class RunSignal extends RunSignalSchema.class {}
RunSignalSchema.setClass(RunSignal);

/**
 * Something that playbooks may be triggered by: emitted from outside, a tick of a schedule, or an action that ended in a run. Its row is
 * written first; the runs that it starts follow from it, each exactly once, whichever node gets to it.
 */
const TriggerEventSchema = defineEntity({
  name: "TriggerEvent",
  tableName: "trigger_event",
  uniques: [{ properties: ["tenantId", "type", "key"] }],
  indexes: [
    {
      name: "trigger_event_undispatched",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.createdAt}") where "${columns.dispatchedAt}" is null`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    /** When it was received. */
    ...createdAt,
    /** As in a playbook's trigger, e.g. `finding.new`. */
    type: p.string().length(64),
    /** What makes it the same event, however often it is delivered. */
    key: p.string().length(512),
    /** When it happened, as its sender says. */
    at: p.datetime(),
    data: p.json().$type<Json>(),
    /** SHA-256 of the canonical data. */
    dataHash: p.string().length(64),
    emittedByKind: p.enum(actorKinds),
    emittedByName: p.string().length(255),
    emittedById: p.uuid().nullable(),
    /** The one playbook that it is for: of a schedule. */
    playbookId: p.uuid().nullable(),
    /** The run and step whose completion it tells. */
    runId: p.uuid().nullable(),
    stepId: p.string().length(128).nullable(),
    chain: p.json().$type<Chain>().nullable(),
    /** When every run that it starts was durable; null until then. */
    dispatchedAt: p.datetime().nullable(),
  },
});
export class TriggerEvent extends TriggerEventSchema.class {}
TriggerEventSchema.setClass(TriggerEvent);
