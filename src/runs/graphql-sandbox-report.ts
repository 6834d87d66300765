import type { Json } from "../core/json.ts";
import type { ExecutedCommand } from "../executors/executor.ts";
import { builder } from "../graphql/builder.ts";
import { actionStepId } from "./action-plan.ts";
import type { RunState } from "./fold.ts";
import type { InterceptedCall, SandboxedDeeds } from "./sandbox.ts";

const InterceptedCallObject = builder.objectRef<InterceptedCall>("InterceptedCall").implement({
  description: "A call that a sandboxed run would have made.",
  fields: (t) => ({
    type: t.exposeString("type", { description: "The protocol: http." }),
    method: t.exposeString("method", { nullable: true, description: "The HTTP method." }),
    url: t.exposeString("url", { nullable: true, description: "Where it would have gone, secrets masked." }),
    headers: t.expose("headers", { type: "JSON", nullable: true, description: "Its headers, secrets masked." }),
    body: t.field({
      type: "JSON",
      nullable: true,
      description: "Its body, secrets masked.",
      resolve: ({ body }) => body ?? null,
    }),
  }),
});

const ExecutedCommandObject = builder.objectRef<ExecutedCommand>("ExecutedCommand").implement({
  description: "A command that a sandboxed run executed in isolation.",
  fields: (t) => ({
    command: t.exposeString("command", { description: "The command line, secrets masked." }),
    exitCode: t.exposeInt("exitCode", { nullable: true, description: "How it ended; null when a signal ended it." }),
  }),
});

interface Report extends SandboxedDeeds {
  readonly output: Json | undefined;
}

export const SandboxReport = builder.objectRef<Report>("SandboxReport").implement({
  description: "What a sandboxed run would have done outside.",
  fields: (t) => ({
    interceptedCalls: t.expose("interceptedCalls", {
      type: [InterceptedCallObject],
      description: "Calls, not sent.",
    }),
    commandsExecuted: t.expose("commandsExecuted", {
      type: [ExecutedCommandObject],
      description: "Commands, run in isolation.",
    }),
    output: t.field({
      type: "JSON",
      nullable: true,
      description: "What came of it; null until then.",
      resolve: ({ output }) => output ?? null,
    }),
  }),
});

/** The report of a sandboxed run of one action, by what its step has come to. */
export function reportOf({ steps }: RunState): Report {
  const step = steps.get(actionStepId);
  const { interceptedCalls, commandsExecuted } = (step?.deeds ?? {}) as Partial<SandboxedDeeds>;
  return { interceptedCalls: interceptedCalls ?? [], commandsExecuted: commandsExecuted ?? [], output: step?.output };
}
