import { ConflictFailure, type Issue, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { resolvePage } from "../core/keyset-page.ts";
import { builder } from "../graphql/builder.ts";
import { ValidationIssue } from "../graphql/failures.ts";
import { playbookDocumentSchema } from "./document-schema.ts";
import type { Playbook } from "./entities.ts";
import { findPlaybook } from "./find-playbook.ts";
import { PlaybookNode, PlaybookVersionNode } from "./graphql.ts";
import { PlaybookGraphObject } from "./graphql-graph.ts";
import { countPlaybooks, listPlaybooks } from "./list-playbooks.ts";
import { type RegisteredPlaybook, registerPlaybook } from "./register-playbook.ts";
import { rollbackPlaybook } from "./rollback-playbook.ts";
import { setPlaybookEnabled } from "./set-playbook-enabled.ts";
import { type PlaybookValidationReport, validatePlaybook } from "./validate-playbook.ts";

const PlaybookFilterInput = builder.inputType("PlaybookFilter", {
  description: "Which playbooks: those that everything given is true of.",
  fields: (t) => ({
    search: t.string({ description: "Found in the key, the name or the description, whatever the case." }),
    tags: t.stringList({ description: "All of these labels." }),
    enabled: t.boolean({ description: "Whether it can be executed." }),
    event: t.string({ description: "The trigger's event, such as finding.new." }),
  }),
});

builder.queryFields((t) => ({
  playbooks: t.connection(
    {
      type: PlaybookNode,
      description: "The tenant's playbooks, by key.",
      authScopes: { permission: "playbook:read" },
      args: { filter: t.arg({ type: PlaybookFilterInput, description: "Which of them." }) },
      resolve: (_root, { filter, ...page }, { operation }) =>
        resolvePage<Playbook>(page, {
          keyLength: 1,
          key: ({ key }) => [key],
          count: () => countPlaybooks(operation, filter ?? {}),
          find: (range) => listPlaybooks(operation, filter ?? {}, range),
        }),
    },
    { name: "PlaybookConnection", description: "A page of playbooks." },
    { name: "PlaybookEdge", description: "A playbook in a page." },
  ),
  playbook: t.field({
    type: PlaybookNode,
    nullable: true,
    description: "The playbook with this key; null when there is none.",
    authScopes: { permission: "playbook:read" },
    args: { key: t.arg.string({ required: true, description: "The document's id." }) },
    resolve: async (_root, { key }, { operation }) => (await findPlaybook(operation, key)) ?? null,
  }),
  playbookSchema: t.field({
    type: "JSON",
    description: "The JSON Schema (draft 2020-12) of a playbook's document, for editors and validators.",
    authScopes: { permission: "playbook:read" },
    resolve: () => playbookDocumentSchema,
  }),
}));

const PlaybookValidationReportObject = builder
  .objectRef<PlaybookValidationReport>("PlaybookValidationReport")
  .implement({
    description: "What registering a source would say.",
    fields: (t) => ({
      valid: t.exposeBoolean("valid", { description: "Whether it could be registered." }),
      errors: t.field({
        type: [ValidationIssue],
        description: "Every problem, in the order of the text.",
        resolve: ({ errors }) => [...errors],
      }),
      warnings: t.field({
        type: [ValidationIssue],
        description: "What is allowed and seldom meant.",
        resolve: ({ warnings }) => [...warnings],
      }),
      graph: t.field({
        type: PlaybookGraphObject,
        nullable: true,
        description: "The steps and every way between them; null while they don't hold together.",
        resolve: ({ graph }) => graph,
      }),
    }),
  });

const sourceDescription = "The document in YAML 1.2 or JSON, at most 1 MiB.";

const ValidatePlaybookInput = builder.inputType("ValidatePlaybookInput", {
  description: "What to look at.",
  fields: (t) => ({ source: t.string({ required: true, description: sourceDescription }) }),
});

builder.mutationField("validatePlaybook", (t) =>
  t.field({
    type: PlaybookValidationReportObject,
    description: "Tell what registering a playbook would say. Nothing is changed.",
    authScopes: { permission: "playbook:read" },
    args: { input: t.arg({ type: ValidatePlaybookInput, required: true, description: "What to check." }) },
    resolve: (_root, { input }, { operation }) => validatePlaybook(operation, input),
  }),
);

const RegisterPlaybookPayload = builder.objectRef<RegisteredPlaybook>("RegisterPlaybookPayload").implement({
  description: "The version is registered.",
  fields: (t) => ({
    playbook: t.expose("playbook", { type: PlaybookNode, description: "The playbook, as it is now." }),
    version: t.expose("version", { type: PlaybookVersionNode, description: "The version with this text." }),
    warnings: t.field({
      type: [ValidationIssue],
      description: "What is allowed and seldom meant.",
      resolve: ({ warnings }): Issue[] => [...warnings],
    }),
  }),
});

const RegisterPlaybookInput = builder.inputType("RegisterPlaybookInput", {
  description: "What to register.",
  fields: (t) => ({ source: t.string({ required: true, description: sourceDescription }) }),
});

builder.mutationField("registerPlaybook", (t) =>
  t.field({
    type: RegisterPlaybookPayload,
    description:
      "Register a version of a playbook. A new key is a new playbook; a version above the active one becomes active; the same version has to be the same text.",
    authScopes: { permission: "playbook:write" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: RegisterPlaybookInput, required: true, description: "What to register." }) },
    resolve: (_root, { input }, { operation }) => registerPlaybook(operation, input),
  }),
);

const RollbackPlaybookPayload = builder.objectRef<{ playbook: Playbook }>("RollbackPlaybookPayload").implement({
  description: "The version is the active one.",
  fields: (t) => ({
    playbook: t.expose("playbook", { type: PlaybookNode, description: "The playbook, as it is now." }),
  }),
});

const RollbackPlaybookInput = builder.inputType("RollbackPlaybookInput", {
  description: "Which version to make active.",
  fields: (t) => ({
    key: t.string({ required: true, description: "The playbook's key." }),
    version: t.string({ required: true, description: "MAJOR.MINOR.PATCH of a registered version, lower or higher." }),
    reason: t.string({ description: "Why, for those who read it later." }),
  }),
});

builder.mutationField("rollbackPlaybook", (t) =>
  t.field({
    type: RollbackPlaybookPayload,
    description: "Make a registered version the active one. Nothing is deleted, and runs under way keep their version.",
    authScopes: { permission: "playbook:write" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: RollbackPlaybookInput, required: true, description: "Which version." }) },
    resolve: async (_root, { input }, { operation }) => ({ playbook: await rollbackPlaybook(operation, input) }),
  }),
);

const SetPlaybookEnabledPayload = builder.objectRef<{ playbook: Playbook }>("SetPlaybookEnabledPayload").implement({
  description: "It is as asked for.",
  fields: (t) => ({
    playbook: t.expose("playbook", { type: PlaybookNode, description: "The playbook, as it is now." }),
  }),
});

const SetPlaybookEnabledInput = builder.inputType("SetPlaybookEnabledInput", {
  description: "Which playbook, and how it is to be.",
  fields: (t) => ({
    key: t.string({ required: true, description: "The playbook's key." }),
    enabled: t.boolean({ required: true, description: "Whether it can be executed." }),
  }),
});

builder.mutationField("setPlaybookEnabled", (t) =>
  t.field({
    type: SetPlaybookEnabledPayload,
    description: "Enable or disable a playbook. Runs under way go on.",
    authScopes: { permission: "playbook:write" },
    errors: { types: [NotFoundFailure] },
    args: {
      input: t.arg({ type: SetPlaybookEnabledInput, required: true, description: "Which playbook, and the flag." }),
    },
    resolve: async (_root, { input }, { operation }) => ({ playbook: await setPlaybookEnabled(operation, input) }),
  }),
);
