import { findAction } from "../actions/find-action.ts";
import { localId } from "../core/global-id.ts";
import { builder, type Context } from "../graphql/builder.ts";
import { findPlaybook } from "../playbooks/find-playbook.ts";
import { findRun } from "./find-run.ts";
import { RunConnection, RunEdge, RunKindEnum, RunNode, runPage } from "./graphql.ts";
import { RunStatusEnum } from "./graphql-events.ts";
import type { RunFilter } from "./run-filter.ts";

export const RunFilterInput = builder.inputType("RunFilter", {
  description: "Narrows a list or a stream of runs; what is left out does not narrow.",
  fields: (t) => ({
    kind: t.field({ type: RunKindEnum, description: "What they execute." }),
    status: t.field({ type: [RunStatusEnum], description: "Any of these." }),
    playbook: t.string({ description: "The key of their playbook." }),
    action: t.field({ type: "ActionRef", description: "The action they run by itself, any version of it." }),
    since: t.field({ type: "DateTime", description: "Accepted then or later." }),
    until: t.field({ type: "DateTime", description: "Accepted before then." }),
    sandbox: t.boolean({ description: "Sandboxed ones only, or none of them." }),
  }),
});

const nothing = "00000000-0000-0000-0000-000000000000";

/** The filter with keys and references resolved; one that names nothing matches nothing. */
export async function resolveFilter(
  { operation }: Context,
  filter: typeof RunFilterInput.$inferInput | null | undefined,
): Promise<RunFilter> {
  const { kind, status, playbook, action, since, until, sandbox } = filter ?? {};
  const foundPlaybook = playbook == null ? undefined : await findPlaybook(operation, playbook);
  const foundAction = action == null ? undefined : await findAction(operation.em, operation.tenantId, action);
  return {
    kind: kind ?? undefined,
    status: status ?? undefined,
    since: since ?? undefined,
    until: until ?? undefined,
    sandbox: sandbox ?? undefined,
    ...(playbook == null ? {} : { playbookId: foundPlaybook?.id ?? nothing }),
    ...(action == null ? {} : { actionId: foundAction?.action.id ?? nothing }),
  };
}

builder.queryField("run", (t) =>
  t.field({
    type: RunNode,
    nullable: true,
    description: "One run; null when there is none of this id.",
    authScopes: { permission: "run:read" },
    args: { id: t.arg.id({ required: true, description: "Its opaque id." }) },
    resolve: (_root, { id }, { operation }) => findRun(operation, localId("Run", id) ?? ""),
  }),
);

builder.queryField("runs", (t) =>
  t.connection(
    {
      type: RunNode,
      description: "Runs, newest first.",
      authScopes: { permission: "run:read" },
      args: { filter: t.arg({ type: RunFilterInput, description: "Narrows the list." }) },
      resolve: async (_root, { filter, ...page }, context) =>
        runPage(context, page, await resolveFilter(context, filter)),
    },
    RunConnection,
    RunEdge,
  ),
);
