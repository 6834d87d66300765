import { isJsonObject } from "../core/json.ts";
import type { Link } from "./link.ts";
import type { Operation } from "./session.ts";
import type { Completion, LogLine } from "./task.ts";

/** Every document that the agent sends: those of `client/operations/agents.graphql`, of a task with two fields more. */
export const documents = {
  enrolAgent: `mutation EnrolAgent($input: EnrolAgentInput!) {
  enrolAgent(input: $input) { __typename ... on EnrolAgentPayload { agentId token } ... on Failure { code message } }
}`,
  agentTasks: `subscription AgentTasks {
  agentTasks {
    taskId leaseSeconds runId stepId attempt idempotencyKey action { name version } entry files { path content encoding executable }
    parameters parameterNames secretNames timeoutSeconds
  }
}`,
  renewAgentTask: `mutation RenewAgentTask($input: RenewAgentTaskInput!) {
  renewAgentTask(input: $input) { __typename ... on RenewAgentTaskPayload { cancelled leaseSeconds } ... on Failure { code message } }
}`,
  reportAgentLog: `mutation ReportAgentLog($input: ReportAgentLogInput!) {
  reportAgentLog(input: $input) { __typename ... on ReportAgentLogPayload { accepted } ... on Failure { code message } }
}`,
  completeAgentTask: `mutation CompleteAgentTask($input: CompleteAgentTaskInput!) {
  completeAgentTask(input: $input) { __typename ... on CompleteAgentTaskPayload { accepted } ... on Failure { code message } }
}`,
} as const;

/** What a mutation answers: its payload, or why it was not done. */
export type Answered<Payload> =
  | { readonly isDone: true; readonly payload: Payload }
  | { readonly isDone: false; readonly type: string; readonly code: string; readonly message: string };

export function operationOf(field: keyof typeof documents, input: Readonly<Record<string, unknown>>): Operation {
  return { query: documents[field], variables: { input } };
}

/** Reads the result union under a field. */
export function answerIn<Payload>(field: string, data: Readonly<Record<string, unknown>>): Answered<Payload> {
  const answer = data[field];
  const { __typename: type, code, message } = isJsonObject(answer) ? answer : {};
  if (typeof type === "string" && !type.endsWith("Failure")) return { isDone: true, payload: answer as Payload };
  return { isDone: false, type: String(type), code: String(code), message: String(message) };
}

export interface Renewal {
  /** The script is to be ended. */
  readonly cancelled: boolean;
  readonly leaseSeconds: number;
}

/** What an agent says of its tasks. Each may be said twice. @throws RequestRefused, or the signal's reason */
export interface TaskTalk {
  renew(taskId: string, signal: AbortSignal): Promise<Answered<Renewal>>;
  log(taskId: string, from: number, lines: readonly LogLine[], signal: AbortSignal): Promise<Answered<unknown>>;
  complete(
    taskId: string,
    completion: Completion,
    signal: AbortSignal,
  ): Promise<Answered<{ readonly accepted: boolean }>>;
}

export function createTaskTalk(link: Link): TaskTalk {
  async function mutate<Payload>(
    field: keyof typeof documents,
    input: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Answered<Payload>> {
    return answerIn(field, await link.request(operationOf(field, input), signal));
  }
  return {
    renew: (taskId, signal) => mutate("renewAgentTask", { taskId }, signal),
    log: (taskId, from, lines, signal) => mutate("reportAgentLog", { taskId, from, lines }, signal),
    complete: (taskId, completion, signal) => mutate("completeAgentTask", { taskId, ...completion }, signal),
  };
}
