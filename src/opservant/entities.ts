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
    revokedAt: p.datetime().nullable(),
  },
});
export class Agent extends AgentSchema.class {}
AgentSchema.setClass(Agent);

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
    /** Every argument as one JWE, secrets among them; erased when the task ends. */
    sealedParameters: p.text().nullable(),
    status: p.enum(agentTaskStatuses),
    /** Until when the agent's word holds that it is at work; null while nobody has taken it. */
    leaseUntil: p.datetime().nullable(),
    cancelRequestedAt: p.datetime().nullable(),
    deadlineAt: p.datetime(),
    finishedAt: p.datetime().nullable(),
    exitCode: p.integer().nullable(),
    /** What the script answered, masked. */
    result: p.json().$type<Json>().nullable(),
    error: p.json().$type<Json>().nullable(),
    /** How many log lines were taken. */
    lineCount: p.integer().default(0),
  },
});
export class AgentTask extends AgentTaskSchema.class {}
AgentTaskSchema.setClass(AgentTask);

/** A log line on its way from the agent to the node that runs the run, masked; deleted with its task's end. */
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
