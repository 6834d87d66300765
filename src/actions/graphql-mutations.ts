import { clearAllDataLoaders } from "@pothos/plugin-dataloader";
import { ConflictFailure, type Issue, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { FileEncoding } from "../executors/graphql.ts";
import { builder, type Context } from "../graphql/builder.ts";
import { ValidationIssue } from "../graphql/failures.ts";
import type { Action, ActionVersion } from "./entities.ts";
import { ActionNode, ActionVersionNode } from "./graphql.ts";
import { type Registered, registerAction } from "./register-action.ts";
import { registerActionVersion } from "./register-action-version.ts";
import { rollbackAction } from "./rollback-action.ts";
import { setActionEnabled } from "./set-action-enabled.ts";
import { type ValidatedAction, validateAction } from "./validate-action.ts";
import { withdrawActionVersion } from "./withdraw-action-version.ts";

const PackageFileInput = builder.inputType("PackageFileInput", {
  description: "A file of an action's package.",
  fields: (t) => ({
    path: t.string({ required: true, description: "Relative, with /; it stays inside the package." }),
    content: t.string({ required: true, description: "The content, in its encoding." }),
    encoding: t.field({ type: FileEncoding, defaultValue: "UTF8", description: "How the content is written." }),
    executable: t.boolean({ description: "Whether it may be run as a program of its own." }),
  }),
});

/** The three inputs that carry a definition differ in their name only. */
function definitionInput(name: string, description: string) {
  return builder.inputType(name, {
    description,
    fields: (t) => ({
      definition: t.field({
        type: "JSON",
        required: true,
        description: "The definition, as actionDefinitionSchema has it.",
      }),
      files: t.field({
        type: [PackageFileInput],
        description: "The files of its package, for a local or opservant executor.",
      }),
    }),
  });
}

const ActionValidationReport = builder.objectRef<ValidatedAction>("ActionValidationReport").implement({
  description: "What registering a definition would say.",
  fields: (t) => ({
    valid: t.boolean({ description: "Whether it could be registered.", resolve: ({ issues }) => issues.length === 0 }),
    errors: t.field({ type: [ValidationIssue], description: "Every problem.", resolve: ({ issues }) => [...issues] }),
    warnings: t.field({
      type: [ValidationIssue],
      description: "What is allowed and should be known, such as what is sent where.",
      resolve: ({ warnings }) => [...warnings],
    }),
  }),
});

const ValidateActionInput = definitionInput("ValidateActionInput", "A definition to check.");

builder.mutationField("validateAction", (t) =>
  t.field({
    type: ActionValidationReport,
    description: "Check a definition with its package. Nothing is registered.",
    authScopes: { permission: "action:write" },
    args: { input: t.arg({ type: ValidateActionInput, required: true, description: "What to check." }) },
    resolve: (_root, { input }) => validateAction(input),
  }),
);

function registeredPayload(name: string, description: string) {
  return builder.objectRef<Registered>(name).implement({
    description,
    fields: (t) => ({
      action: t.field({ type: ActionNode, description: "The action.", resolve: ({ action }) => action }),
      version: t.field({ type: ActionVersionNode, description: "The new version.", resolve: ({ version }) => version }),
      warnings: t.field({
        type: [ValidationIssue],
        description: "What should be known, such as what is sent where.",
        resolve: ({ warnings }): Issue[] => [...warnings],
      }),
    }),
  });
}

const RegisterActionPayload = registeredPayload("RegisterActionPayload", "The action was registered.");
const RegisterActionInput = definitionInput("RegisterActionInput", "A new action with its first version.");

builder.mutationField("registerAction", (t) =>
  t.field({
    type: RegisterActionPayload,
    description: "Register a new action. A further version of one is added with registerActionVersion.",
    authScopes: { permission: "action:write" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: RegisterActionInput, required: true, description: "What to register." }) },
    resolve: (_root, { input }, context) => changed(context, registerAction(context.operation, input)),
  }),
);

const RegisterActionVersionPayload = registeredPayload("RegisterActionVersionPayload", "The version was added.");
const RegisterActionVersionInput = definitionInput(
  "RegisterActionVersionInput",
  "A further version of the action that its definition names.",
);

builder.mutationField("registerActionVersion", (t) =>
  t.field({
    type: RegisterActionVersionPayload,
    description: "Add a version to an action. Its number has to say what changed (semver).",
    authScopes: { permission: "action:write" },
    errors: { types: [ValidationFailure, ConflictFailure, NotFoundFailure] },
    args: { input: t.arg({ type: RegisterActionVersionInput, required: true, description: "What to add." }) },
    resolve: (_root, { input }, context) => changed(context, registerActionVersion(context.operation, input)),
  }),
);

function actionPayload(name: string, description: string) {
  return builder.objectRef<{ readonly action: Action }>(name).implement({
    description,
    fields: (t) => ({
      action: t.field({ type: ActionNode, description: "The action, as it is now.", resolve: ({ action }) => action }),
    }),
  });
}

const SetActionEnabledPayload = actionPayload("SetActionEnabledPayload", "The flag was set.");
const SetActionEnabledInput = builder.inputType("SetActionEnabledInput", {
  description: "Whether an action may run in production.",
  fields: (t) => ({
    ref: t.field({ type: "ActionRef", required: true, description: "The action, without a version." }),
    enabled: t.boolean({ required: true, description: "False: it runs in the sandbox only." }),
  }),
});

builder.mutationField("setActionEnabled", (t) =>
  t.field({
    type: SetActionEnabledPayload,
    description: "Enable or disable an action with all its versions.",
    authScopes: { permission: "action:write" },
    errors: { types: [ValidationFailure, NotFoundFailure] },
    args: { input: t.arg({ type: SetActionEnabledInput, required: true, description: "Which action, and the flag." }) },
    resolve: async (_root, { input }, context) => ({
      action: await changed(context, setActionEnabled(context.operation, input)),
    }),
  }),
);

const RollbackActionPayload = actionPayload("RollbackActionPayload", "The version is the active one.");
const RollbackActionInput = builder.inputType("RollbackActionInput", {
  description: "Which version of an action to go back to.",
  fields: (t) => ({
    ref: t.field({ type: "ActionRef", required: true, description: "The action, without a version." }),
    version: t.string({ required: true, description: "MAJOR.MINOR.PATCH, of a version that was not withdrawn." }),
    reason: t.string({ description: "Why, for those who look later." }),
  }),
});

builder.mutationField("rollbackAction", (t) =>
  t.field({
    type: RollbackActionPayload,
    description: "Make a version the active one, and hold back those above it in its MAJOR.MINOR line.",
    authScopes: { permission: "action:write" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: RollbackActionInput, required: true, description: "Which version." }) },
    resolve: async (_root, { input }, context) => ({
      action: await changed(context, rollbackAction(context.operation, input)),
    }),
  }),
);

const WithdrawActionVersionPayload = builder
  .objectRef<{ readonly version: ActionVersion }>("WithdrawActionVersionPayload")
  .implement({
    description: "Nothing resolves to the version any more.",
    fields: (t) => ({
      version: t.field({ type: ActionVersionNode, description: "The version.", resolve: ({ version }) => version }),
    }),
  });
const WithdrawActionVersionInput = builder.inputType("WithdrawActionVersionInput", {
  description: "Which version was found bad.",
  fields: (t) => ({
    ref: t.field({ type: "ActionRef", required: true, description: "The action, without a version." }),
    version: t.string({ required: true, description: "MAJOR.MINOR.PATCH." }),
    reason: t.string({ required: true, description: "Why, for those who look later." }),
  }),
});

builder.mutationField("withdrawActionVersion", (t) =>
  t.field({
    type: WithdrawActionVersionPayload,
    description: "Withdraw a version for good: runs that name it exactly fail with version_withdrawn.",
    authScopes: { permission: "action:write" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: {
      input: t.arg({ type: WithdrawActionVersionInput, required: true, description: "Which version, and why." }),
    },
    resolve: async (_root, { input }, context) => ({
      version: await changed(context, withdrawActionVersion(context.operation, input)),
    }),
  }),
);

/** After a change nothing is answered from what was read before: not in runs, and not to later fields of the same document. */
async function changed<Result>(context: Context, change: Promise<Result>): Promise<Result> {
  const result = await change;
  context.catalogue.forget(context.operation.tenantId);
  clearAllDataLoaders(context);
  return result;
}
