import { BadInputError, DomainFailure, ValidationFailure } from "../core/failures.ts";
import { resolvePage } from "../core/keyset-page.ts";
import { builder } from "../graphql/builder.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { actionDefinitionSchema } from "./definition-schema.ts";
import type { Action } from "./entities.ts";
import { findAction } from "./find-action.ts";
import { ActionNode, ActionTypeEnum, ExecutorTypeEnum } from "./graphql.ts";
import { countActions, listActions } from "./list-actions.ts";
import { resolveReference } from "./resolve-version.ts";

const ActionFilterInput = builder.inputType("ActionFilter", {
  description: "Which actions: those that everything given is true of.",
  fields: (t) => ({
    type: t.field({ type: ActionTypeEnum, description: "The category." }),
    tags: t.stringList({ description: "All of these labels." }),
    enabled: t.boolean({ description: "Whether it may run in production." }),
    search: t.string({ description: "Found in the name or the description, whatever the case." }),
    executor: t.field({ type: ExecutorTypeEnum, description: "How the active version runs." }),
  }),
});

builder.queryFields((t) => ({
  actions: t.connection(
    {
      type: ActionNode,
      description: "The tenant's actions, by name.",
      authScopes: { permission: "action:read" },
      args: { filter: t.arg({ type: ActionFilterInput, description: "Which of them." }) },
      resolve: (_root, { filter, ...page }, { operation }) =>
        resolvePage<Action>(page, {
          keyLength: 1,
          key: ({ name }) => [name],
          count: () => countActions(operation, filter ?? {}),
          find: (range) => listActions(operation, filter ?? {}, range),
        }),
    },
    { name: "ActionConnection", description: "A page of actions." },
    { name: "ActionEdge", description: "An action in a page." },
  ),
  action: t.field({
    type: ActionNode,
    nullable: true,
    description: "The action that a reference names; null when there is none, or it has no version of that number.",
    authScopes: { permission: "action:read" },
    args: { ref: t.arg({ type: "ActionRef", required: true, description: "The action, or a version of it." }) },
    resolve: async (_root, { ref }, { operation }) => (await actionOf(operation, ref)) ?? null,
  }),
  actionDefinitionSchema: t.field({
    type: "JSON",
    description: "The JSON Schema (draft 2020-12) of an action's definition, for editors and validators.",
    authScopes: { permission: "action:read" },
    resolve: () => actionDefinitionSchema,
  }),
}));

async function actionOf({ em, tenantId }: OperationContext, ref: string): Promise<Action | undefined> {
  try {
    const found = await findAction(em, tenantId, ref);
    if (found?.reference.version) await resolveReference(em, tenantId, ref);
    return found?.action;
  } catch (error) {
    if (error instanceof ValidationFailure) throw new BadInputError(error.issues[0]?.message ?? error.message);
    if (error instanceof DomainFailure) return undefined;
    throw error;
  }
}
