import { abortable } from "../core/abortable.ts";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { globalId } from "../core/global-id.ts";
import { limits } from "../core/limits.ts";
import type { PackageFile } from "../executors/executor.ts";
import { FileEncoding, LogStreamEnum } from "../executors/graphql.ts";
import { builder } from "../graphql/builder.ts";
import { callingAgent } from "./agent-caller.ts";
import { completeAgentTask } from "./complete-agent-task.ts";
import type { AgentTask } from "./entities.ts";
import type { OfferedTask } from "./offer-tasks.ts";
import { type Renewal, renewAgentTask } from "./renew-agent-task.ts";
import { reportAgentLog } from "./report-agent-log.ts";
import { streamAgentTasks } from "./stream-agent-tasks.ts";

const AgentTaskActionObject = builder.objectRef<AgentTask>("AgentTaskAction").implement({
  description: "What is carried out.",
  fields: (t) => ({
    name: t.exposeString("actionName", { description: "The action's name." }),
    version: t.exposeString("actionVersion", { description: "MAJOR.MINOR.PATCH." }),
  }),
});

const AgentTaskFileObject = builder.objectRef<PackageFile>("AgentTaskFile").implement({
  description: "A file of the action's package.",
  fields: (t) => ({
    path: t.exposeString("path", { description: "Relative, with /; it stays inside the package." }),
    content: t.string({
      description: "The content, in its encoding.",
      resolve: ({ content }) => Buffer.from(content).toString("base64"),
    }),
    encoding: t.field({
      type: FileEncoding,
      description: "How the content is written.",
      resolve: () => "BASE64" as const,
    }),
    executable: t.exposeBoolean("executable", { description: "Whether it may be run as a program of its own." }),
  }),
});

const AgentTaskObject = builder.objectRef<OfferedTask>("AgentTask").implement({
  description:
    "One attempt of a step, for this agent. It is an offer: renewAgentTask takes it, and nothing is begun before. A task that the agent is at work on, or has answered already, may be offered again: it is renewed, or answered again with the same, and not begun anew.",
  fields: (t) => ({
    entry: t.string({ description: "Path of the script in the package.", resolve: ({ task }) => task.entry }),
    taskId: t.string({ description: "What the agent's answers name.", resolve: ({ task }) => task.id }),
    leaseSeconds: t.int({
      description: "Taken within this time, or offered again. Renew it three times in each such time.",
      resolve: () => limits.agentLeaseMs / 1_000,
    }),
    runId: t.id({ description: "The run.", resolve: ({ task }) => globalId("Run", task.runId) }),
    stepId: t.string({ description: "The step.", resolve: ({ task }) => task.stepId }),
    attempt: t.int({ description: "Which try of the step it is, from 1.", resolve: ({ task }) => task.attempt }),
    idempotencyKey: t.string({
      description: "The same for every attempt of the step: what the script finds as IDEMPOTENCY_KEY.",
      resolve: ({ task }) => task.idempotencyKey,
    }),
    action: t.field({ type: AgentTaskActionObject, description: "What is carried out.", resolve: ({ task }) => task }),
    files: t.field({
      type: [AgentTaskFileObject],
      description: "The action's whole package.",
      resolve: async ({ task }, _args, { agentDesk }) => [...(await agentDesk.files(task.actionVersionId))],
    }),
    parameters: t.field({
      type: "JSON",
      description: "What the script reads from stdin, secrets among it, in the order the action declares.",
      resolve: ({ given }) => given.arguments,
    }),
    parameterNames: t.stringList({
      description:
        "The declared parameters in their order: a shell script's positional arguments, but for the secret ones.",
      resolve: ({ given }) => [...given.parameterNames],
    }),
    secretNames: t.stringList({
      description: "Which of them are secrets: never among the arguments of a command.",
      resolve: ({ given }) => [...given.secretNames],
    }),
    timeoutSeconds: t.int({
      description: "What is left of its time: the script is ended then, and answered with the error timed_out.",
      resolve: ({ timeoutSeconds }) => timeoutSeconds,
    }),
  }),
});

builder.subscriptionField("agentTasks", (t) =>
  t.field({
    type: AgentTaskObject,
    description: `The tasks of the agent that asks, each offered again until it is taken; at most ${limits.agentTasksAtOnceMax} at once. The agent counts as connected while this is open. It completes when the agent connects again, and when it is revoked.`,
    authScopes: { permission: "agent:work" },
    subscribe: (_root, _args, { operation, agentDesk }) => {
      const agent = callingAgent(operation);
      const { em } = operation;
      return abortable((signal) => streamAgentTasks({ ...agentDesk, em: () => em.fork(), signal }, agent));
    },
    resolve: (offered) => offered as OfferedTask,
  }),
);

const RenewAgentTaskInput = builder.inputType("RenewAgentTaskInput", {
  description: "Which task the agent has.",
  fields: (t) => ({ taskId: t.string({ required: true, description: "The task's id." }) }),
});

const RenewAgentTaskPayload = builder.objectRef<Renewal>("RenewAgentTaskPayload").implement({
  description: "The task is the agent's.",
  fields: (t) => ({
    cancelled: t.exposeBoolean("cancelled", {
      description: "True: end the script now, and answer with its exit code or the error cancelled.",
    }),
    leaseSeconds: t.exposeInt("leaseSeconds", { description: "How long this word holds." }),
  }),
});

builder.mutationField("renewAgentTask", (t) =>
  t.field({
    type: RenewAgentTaskPayload,
    description:
      "Take a task, or say that the agent is still at work on it. StateFailure task_ended: end what runs of it and forget it.",
    authScopes: { permission: "agent:work" },
    errors: { types: [NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: RenewAgentTaskInput, required: true, description: "Which task." }) },
    resolve: (_root, { input }, { operation }) => renewAgentTask(operation, input.taskId),
  }),
);

const AgentLogLineInput = builder.inputType("AgentLogLineInput", {
  description: "A line that a script wrote.",
  fields: (t) => ({
    stream: t.field({ type: LogStreamEnum, required: true, description: "Where it comes from." }),
    text: t.string({ required: true, description: "The line without its end. Secrets in it are masked here." }),
  }),
});

const ReportAgentLogInput = builder.inputType("ReportAgentLogInput", {
  description: "Lines that a script wrote.",
  fields: (t) => ({
    taskId: t.string({ required: true, description: "The task's id." }),
    from: t.int({ required: true, description: "The number of the first of them, from 0 since the script began." }),
    lines: t.field({
      type: [AgentLogLineInput],
      required: true,
      description: `The lines, without gaps; at most ${limits.agentLogLinesMax}.`,
    }),
  }),
});

const Accepted = (name: string, description: string, accepted: string) =>
  builder.objectRef<{ readonly accepted: boolean }>(name).implement({
    description,
    fields: (t) => ({ accepted: t.exposeBoolean("accepted", { description: accepted }) }),
  });

const ReportAgentLogPayload = Accepted(
  "ReportAgentLogPayload",
  "The lines were taken, each once.",
  "True; lines that were sent before are passed over.",
);

builder.mutationField("reportAgentLog", (t) =>
  t.field({
    type: ReportAgentLogPayload,
    description:
      "Hand on what a script writes, while it runs. The same lines may be sent again: a number is taken once. StateFailure lines_missing says from where to send.",
    authScopes: { permission: "agent:work" },
    errors: { types: [NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: ReportAgentLogInput, required: true, description: "Which lines." }) },
    resolve: async (_root, { input }, { operation, agentDesk }) => {
      await reportAgentLog(operation, agentDesk.sealer, input);
      return { accepted: true };
    },
  }),
);

const CompleteAgentTaskInput = builder.inputType("CompleteAgentTaskInput", {
  description: "How a task ended.",
  fields: (t) => ({
    taskId: t.string({ required: true, description: "The task's id." }),
    exitCode: t.int({ description: "Of the script; left out where it did not end by itself, or never began." }),
    result: t.field({
      type: "JSON",
      description: 'What it wrote to stdout: the JSON document, or {"text": …}.',
    }),
    error: t.field({
      type: "JSON",
      description:
        "{code, message}, where there is no exit code: timed_out, cancelled, or why the script could not run.",
    }),
  }),
});

const CompleteAgentTaskPayload = Accepted(
  "CompleteAgentTaskPayload",
  "The answer was heard.",
  "Whether it is the task's outcome, also when it is sent again. False: the task had ended otherwise, and nothing was changed.",
);

builder.mutationField("completeAgentTask", (t) =>
  t.field({
    type: CompleteAgentTaskPayload,
    description:
      "Answer a task: the first answer counts. Send it again until it is heard, and whenever the task is offered again.",
    authScopes: { permission: "agent:work" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: CompleteAgentTaskInput, required: true, description: "Which task, and its end." }) },
    resolve: async (_root, { input }, { operation, agentDesk }) => ({
      accepted: await completeAgentTask(operation, agentDesk.sealer, input),
    }),
  }),
);
