import { builder } from "../graphql/builder.ts";

const InterceptedCall = builder
  .objectRef<{ type: string; method: string; url: string; headers: unknown; body: unknown }>("InterceptedCall")
  .implement({
    description: "A call that a sandboxed run would have made.",
    fields: (t) => ({
      type: t.exposeString("type", { description: "The protocol: http." }),
      method: t.exposeString("method", { nullable: true, description: "The HTTP method." }),
      url: t.exposeString("url", { nullable: true, description: "Where it would have gone." }),
      headers: t.expose("headers", { type: "JSON", nullable: true, description: "Its headers, secrets masked." }),
      body: t.expose("body", { type: "JSON", nullable: true, description: "Its body, secrets masked." }),
    }),
  });
const ExecutedCommand = builder.objectRef<{ command: string; exitCode: number | null }>("ExecutedCommand").implement({
  description: "A command that a sandboxed run executed in isolation.",
  fields: (t) => ({
    command: t.exposeString("command", { description: "The command line." }),
    exitCode: t.exposeInt("exitCode", { nullable: true, description: "How it ended; null when it was ended." }),
  }),
});
export const SandboxReport = builder.objectRef<{ output: unknown }>("SandboxReport").implement({
  description: "What a sandboxed run would have done outside.",
  fields: (t) => ({
    interceptedCalls: t.field({ type: [InterceptedCall], description: "Calls, not sent.", resolve: () => [] }),
    commandsExecuted: t.field({
      type: [ExecutedCommand],
      description: "Commands, run in isolation.",
      resolve: () => [],
    }),
    output: t.expose("output", { type: "JSON", nullable: true, description: "What came of it." }),
  }),
});
