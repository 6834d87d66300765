import { defineEntity, p } from "@mikro-orm/core";
import type { Json } from "../core/json.ts";
import { createdAt, identity, tenantOwned } from "../database/columns.ts";

/** What an agent may enrol with, once. */
const AgentEnrolmentSchema = defineEntity({
  name: "AgentEnrolment",
  tableName: "agent_enrolment",
  indexes: [{ properties: ["tenantId", "createdAt"] }],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    /** What the agent will be called. */
    name: p.string().length(128),
    /** SHA-256 of the one-time token's text, hex: the text itself is stored nowhere. */
    hash: p.string().length(64).unique(),
    expiresAt: p.datetime(),
    usedAt: p.datetime().nullable(),
  },
});
export class AgentEnrolment extends AgentEnrolmentSchema.class {}
AgentEnrolmentSchema.setClass(AgentEnrolment);

/** An on-premises agent; its id is what the `target` of an action names. */
const AgentSchema = defineEntity({
  name: "Agent",
  tableName: "agent",
  indexes: [{ properties: ["tenantId", "createdAt"] }],
  uniques: [
    {
      name: "agent_name_in_use",
      expression: (columns, table, indexName) =>
        `create unique index "${indexName}" on "${table.name}" ("${columns.tenantId}", "${columns.name}") where "${columns.revokedAt}" is null`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    name: p.string().length(128),
    /** SHA-256 of its own token's text, hex. */
    hash: p.string().length(64).unique(),
    /** Of its program, as it says. */
    version: p.string().length(64).nullable(),
    lastSeenAt: p.datetime().nullable(),
    /** Its latest connection: another one that goes by the same token ends when it finds this is not it any more. Null while it has none. */
    connection: p.uuid().nullable(),
    /** Until when its connection counts as open without another sign of life. */
    connectedUntil: p.datetime().nullable(),
    /** By the database's clock. */
    isConnected: p.boolean().formula((columns) => `coalesce(${columns.connectedUntil} > now(), false)`),
    revokedAt: p.datetime().nullable(),
  },
});
export class Agent extends AgentSchema.class {}
AgentSchema.setClass(Agent);

/** OFFERED until the agent says that it begins; RUNNING from then on, also where nothing more is heard of it. */
export const agentTaskStatuses = ["OFFERED", "RUNNING", "COMPLETED", "CANCELLED", "EXPIRED"] as const;

/**
 * One attempt of a step that an agent carries out. The row arbitrates: it ends once, by what the agent answers, by its deadline, or because the run
 * does not want it any more.
 */
const AgentTaskSchema = defineEntity({
  name: "AgentTask",
  tableName: "agent_task",
  uniques: [{ properties: ["runId", "stepId", "runAttempt", "attempt"] }],
  checks: [{ name: "agent_task_secrets_are_erased", expression: "finished_at is null or sealed_parameters is null" }],
  indexes: [
    {
      name: "agent_task_open",
      expression: (columns, table, indexName) =>
        `create index "${indexName}" on "${table.name}" ("${columns.agentId}", "${columns.id}") where "${columns.finishedAt}" is null`,
    },
  ],
  properties: {
    ...identity,
    ...tenantOwned,
    ...createdAt,
    agentId: p.uuid(),
    runId: p.uuid(),
    stepId: p.string().length(128),
    runAttempt: p.integer(),
    attempt: p.integer(),
    idempotencyKey: p.string().length(255),
    actionName: p.string().length(128),
    actionVersion: p.string().length(64),
    actionVersionId: p.uuid(),
    /** Path of the script within the package. */
    entry: p.string().length(1024),
    timeoutMs: p.integer(),
    /** Whether it may be begun again when nobody knows what became of the first time. */
    isRepeatable: p.boolean(),
    /** Every argument, and what is to be masked, as one JWE; erased when the task ends. */
    sealedParameters: p.text().nullable(),
    status: p.enum(agentTaskStatuses),
    /** Until when the offer, or the agent's word that it is at work, holds; null while it was never offered. */
    leaseUntil: p.datetime().nullable(),
    cancelRequestedAt: p.datetime().nullable(),
    deadlineAt: p.datetime(),
    finishedAt: p.datetime().nullable(),
    exitCode: p.integer().nullable(),
    /** What the script answered, masked. */
    result: p.json().$type<Json>().nullable(),
    error: p.json().$type<Json>().nullable(),
    /** Of what the agent answered, cut short: tells a repetition of it from another answer. */
    answerHash: p.string().length(8).nullable(),
    /** How many log lines were taken. */
    lineCount: p.integer().default(0),
    /** Where line 0 of the agent's present count stands among them, and where it would if the agent began the script again. */
    lineOffset: p.integer().default(0),
    restartLine: p.integer().default(0),
  },
});
export class AgentTask extends AgentTaskSchema.class {}
AgentTaskSchema.setClass(AgentTask);

/** A log line on its way from the agent to the node that runs the run, masked; deleted after that, at the latest a while after the task's end. */
const AgentTaskLineSchema = defineEntity({
  name: "AgentTaskLine",
  tableName: "agent_task_line",
  properties: {
    taskId: p.uuid().primary(),
    /** From 0, without gaps. */
    line: p.integer().primary(),
    ...tenantOwned,
    stream: p.string().length(16),
    text: p.text(),
  },
});
export class AgentTaskLine extends AgentTaskLineSchema.class {}
AgentTaskLineSchema.setClass(AgentTaskLine);
