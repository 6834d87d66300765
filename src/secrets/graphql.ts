import { BadInputError, ForbiddenError, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { type PageRange, resolvePage } from "../core/keyset-page.ts";
import { builder, type Context } from "../graphql/builder.ts";
// Its part of the context: whose secrets they are.
import "../tenancy/graphql.ts";
import { deleteSecret } from "./delete-secret.ts";
import { Secret, Variable } from "./entities.ts";
import { isEntryName } from "./names.ts";
import { putSecret } from "./put-secret.ts";
import type { Sealer } from "./seal.ts";
import { deleteVariable, putVariable } from "./variables.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly sealer: Sealer;
  }
}

const SecretNode = builder.node(Secret, {
  name: "Secret",
  description: "A value of the credential store. It goes to executors only: no field of the API answers it.",
  id: { resolve: (secret) => secret.id, description: "Opaque." },
  loadOne: (id, context) => {
    requirePermission(context, "secret:read");
    const { em, tenantId } = context.operation;
    return isUuid(id) ? em.findOne(Secret, { id, tenantId }) : null;
  },
  fields: (t) => ({
    name: t.exposeString("name", { description: "What actions and adapters ask for it by." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was first put." }),
    updatedAt: t.expose("updatedAt", { type: "DateTime", description: "When its value was last put." }),
    lastUsedAt: t.expose("lastUsedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it last went to an executor, to the minute; null: never yet.",
    }),
  }),
});

const VariableNode = builder.node(Variable, {
  name: "Variable",
  description: "A value that templates find as env.<name>. Nothing secret: everybody of the tenant can read it.",
  id: { resolve: (variable) => variable.id, description: "Opaque." },
  loadOne: (id, context) => {
    requirePermission(context, "variable:read");
    const { em, tenantId } = context.operation;
    return isUuid(id) ? em.findOne(Variable, { id, tenantId }) : null;
  },
  fields: (t) => ({
    name: t.exposeString("name", { description: "What templates find it by." }),
    value: t.exposeString("value", { description: "The value." }),
    updatedAt: t.expose("updatedAt", { type: "DateTime", description: "When it was last put." }),
  }),
});

builder.queryFields((t) => ({
  secrets: t.connection(
    {
      type: SecretNode,
      description: "What is in the credential store, by name; never a value.",
      authScopes: { permission: "secret:read" },
      resolve: (_root, args, { operation: { em, tenantId } }) =>
        resolvePage<Secret>(args, {
          ...byName,
          count: () => em.count(Secret, { tenantId }),
          find: (range) => em.find(Secret, { tenantId, name: namesIn(range) }, ordered(range)),
        }),
    },
    { name: "SecretConnection", description: "A page of secrets." },
    { name: "SecretEdge", description: "A secret in a page." },
  ),
  variables: t.connection(
    {
      type: VariableNode,
      description: "The tenant's variables, by name.",
      authScopes: { permission: "variable:read" },
      resolve: (_root, args, { operation: { em, tenantId } }) =>
        resolvePage<Variable>(args, {
          ...byName,
          count: () => em.count(Variable, { tenantId }),
          find: (range) => em.find(Variable, { tenantId, name: namesIn(range) }, ordered(range)),
        }),
    },
    { name: "VariableConnection", description: "A page of variables." },
    { name: "VariableEdge", description: "A variable in a page." },
  ),
}));

const PutSecretInput = builder.inputType("PutSecretInput", {
  description: "A secret to put; it takes the place of the one of that name.",
  fields: (t) => ({
    name: t.string({ required: true, description: "1 to 128 of A-Z, a-z, 0-9, _, . and -." }),
    value: t.string({ required: true, description: "The value, kept exactly as it is. It never comes back." }),
  }),
});

const PutSecretPayload = builder.objectRef<{ secret: Secret }>("PutSecretPayload").implement({
  description: "The secret was put.",
  fields: (t) => ({ secret: t.expose("secret", { type: SecretNode, description: "What may be told of it." }) }),
});

builder.mutationField("putSecret", (t) =>
  t.field({
    type: PutSecretPayload,
    description: "Put a secret into the credential store, encrypted.",
    authScopes: { permission: "secret:write" },
    errors: { types: [ValidationFailure] },
    args: { input: t.arg({ type: PutSecretInput, required: true, description: "What to put." }) },
    resolve: async (_root, { input }, { operation, sealer }) => ({ secret: await putSecret(operation, sealer, input) }),
  }),
);

const DeleteSecretInput = builder.inputType("DeleteSecretInput", {
  description: "Which secret to delete.",
  fields: (t) => ({ name: t.string({ required: true, description: "Its name." }) }),
});

const DeleteSecretPayload = builder.objectRef<{ name: string }>("DeleteSecretPayload").implement({
  description: "The secret is gone.",
  fields: (t) => ({ name: t.exposeString("name", { description: "What it was called." }) }),
});

builder.mutationField("deleteSecret", (t) =>
  t.field({
    type: DeleteSecretPayload,
    description: "Take a secret out of the credential store.",
    authScopes: { permission: "secret:write" },
    errors: { types: [NotFoundFailure] },
    args: { input: t.arg({ type: DeleteSecretInput, required: true, description: "Which secret." }) },
    resolve: async (_root, { input: { name } }, { operation }) => {
      await deleteSecret(operation, name);
      return { name };
    },
  }),
);

const PutVariableInput = builder.inputType("PutVariableInput", {
  description: "A variable to put; it takes the place of the one of that name.",
  fields: (t) => ({
    name: t.string({ required: true, description: "1 to 128 of A-Z, a-z, 0-9, _, . and -." }),
    value: t.string({ required: true, description: "The value. Nothing secret." }),
  }),
});

const PutVariablePayload = builder.objectRef<{ variable: Variable }>("PutVariablePayload").implement({
  description: "The variable was put.",
  fields: (t) => ({ variable: t.expose("variable", { type: VariableNode, description: "As it is now." }) }),
});

builder.mutationField("putVariable", (t) =>
  t.field({
    type: PutVariablePayload,
    description: "Put a variable.",
    authScopes: { permission: "variable:write" },
    errors: { types: [ValidationFailure] },
    args: { input: t.arg({ type: PutVariableInput, required: true, description: "What to put." }) },
    resolve: async (_root, { input }, { operation }) => ({ variable: await putVariable(operation, input) }),
  }),
);

const DeleteVariableInput = builder.inputType("DeleteVariableInput", {
  description: "Which variable to delete.",
  fields: (t) => ({ name: t.string({ required: true, description: "Its name." }) }),
});

const DeleteVariablePayload = builder.objectRef<{ name: string }>("DeleteVariablePayload").implement({
  description: "The variable is gone.",
  fields: (t) => ({ name: t.exposeString("name", { description: "What it was called." }) }),
});

builder.mutationField("deleteVariable", (t) =>
  t.field({
    type: DeleteVariablePayload,
    description: "Take a variable away.",
    authScopes: { permission: "variable:write" },
    errors: { types: [NotFoundFailure] },
    args: { input: t.arg({ type: DeleteVariableInput, required: true, description: "Which variable." }) },
    resolve: async (_root, { input: { name } }, { operation }) => {
      await deleteVariable(operation, name);
      return { name };
    },
  }),
);

/** Before the row is looked for: what a caller may not see is refused whether it is there or not. */
function requirePermission(context: Context, permission: string): void {
  if (!context.hasPermission(permission)) throw new ForbiddenError("You may not do this.");
}

const byName = { keyLength: 1, key: ({ name }: { readonly name: string }) => [name] };

function namesIn({ after, before }: PageRange) {
  const [above, below] = [after?.[0], before?.[0]];
  for (const name of [above, below]) {
    if (name !== undefined && !isEntryName(name)) throw new BadInputError("This is no cursor of this connection.");
  }
  return { ...(above === undefined ? {} : { $gt: above }), ...(below === undefined ? {} : { $lt: below }) };
}

function ordered({ isInverted, limit }: PageRange) {
  return { orderBy: { name: isInverted ? ("desc" as const) : ("asc" as const) }, limit };
}
