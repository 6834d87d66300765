import DataLoader from "dataloader";
import { isUuid } from "../core/ids.ts";
import { resolvePage } from "../core/keyset-page.ts";
import { limits } from "../core/limits.ts";
import { builder, type Context } from "../graphql/builder.ts";
// Its part of the context: whose actions they are.
import "../tenancy/graphql.ts";
import type { ActionCatalogue } from "./action-catalogue.ts";
import type { ActionDefinition, ExecutorDefinition, ParameterDefinition } from "./definition.ts";
import { Action, ActionFile, ActionVersion, executorTypes } from "./entities.ts";
import { countVersions, listVersions } from "./list-versions.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    /** What runs remember of actions; told of every change. */
    readonly catalogue: ActionCatalogue;
  }
}

const parameterTypes = ["STRING", "INTEGER", "BOOLEAN", "ENUM", "SECRET"] as const;

export const ActionTypeEnum = builder.enumType("ActionType", {
  description: "Category of an action.",
  values: {
    REMEDIATION: { description: "Takes away what is wrong." },
    ENRICHMENT: { description: "Finds out more." },
    NOTIFICATION: { description: "Tells people or systems." },
    INVESTIGATION: { description: "Collects evidence." },
    CONTAINMENT: { description: "Keeps a threat from spreading." },
  } satisfies Record<Action["type"], object>,
});
export const ExecutorTypeEnum = builder.enumType("ExecutorType", {
  description: "How an action runs.",
  values: {
    LOCAL: { description: "A script of its package, on the server." },
    REMOTE: { description: "An HTTP request." },
    OPSERVANT: { description: "A script of its package, by an agent on premises. Not built yet." },
  } satisfies Record<Action["executorType"], object>,
});
const ActionVersionStatusEnum = builder.enumType("ActionVersionStatus", {
  description: "Which references resolve to a version.",
  values: {
    REGISTERED: { description: "Its full number, its MAJOR.MINOR, and the action's name." },
    HELD_BACK: { description: "Its full number only: a roll-back went below it." },
    WITHDRAWN: { description: "None: it was found bad." },
  } satisfies Record<ActionVersion["status"], object>,
});
const ParameterTypeEnum = builder.enumType("ParameterType", {
  description: "Type of a parameter's value; nothing is coerced.",
  values: {
    STRING: { description: "A text." },
    INTEGER: { description: "A whole number, up to 2^53 - 1 either way." },
    BOOLEAN: { description: "true or false." },
    ENUM: { description: "One of the allowed texts." },
    SECRET: { description: "A text that goes to the executor only and never comes back." },
  } satisfies Record<(typeof parameterTypes)[number], object>,
});

const ActionExecutor = builder.objectRef<ExecutorDefinition>("ActionExecutor").implement({
  description: "How a version runs.",
  fields: (t) => ({
    type: t.field({
      type: ExecutorTypeEnum,
      description: "What runs it.",
      resolve: ({ type }) => executorTypes.find((known) => known === type.toUpperCase())!,
    }),
    target: t.exposeString("target", { description: "A path in the package, a URL, or an agent's id." }),
    method: t.string({
      nullable: true,
      description: "The HTTP method; null for what is no HTTP request.",
      resolve: ({ type, method }) => (type === "remote" ? (method ?? "POST") : null),
    }),
  }),
});

const ActionParameter = builder.objectRef<ParameterDefinition>("ActionParameter").implement({
  description: "A declared input.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "The key of its value." }),
    label: t.exposeString("label", { nullable: true, description: "What people see in its place." }),
    type: t.field({
      type: ParameterTypeEnum,
      description: "Type of its value.",
      resolve: ({ type }) => parameterTypes.find((known) => known === type.toUpperCase())!,
    }),
    required: t.boolean({
      description: "Whether there must be a value.",
      resolve: ({ required }) => required ?? false,
    }),
    default: t.field({
      type: "JSON",
      nullable: true,
      description: "The value when there is no other.",
      resolve: (parameter) => parameter.default ?? null,
    }),
    description: t.exposeString("description", { nullable: true, description: "Help text." }),
    validation: t.field({
      type: "JSON",
      nullable: true,
      description: "Rules for its value, as the definition has them.",
      resolve: ({ validation }) => validation ?? null,
    }),
  }),
});

type FileHead = Pick<ActionFile, "path" | "sha256" | "bytes">;

const ActionFileObject = builder.objectRef<FileHead>("ActionFile").implement({
  description: "A file of a version's package.",
  fields: (t) => ({
    path: t.exposeString("path", { description: "Relative, with /." }),
    sha256: t.exposeString("sha256", { description: "Of its content, in hex." }),
    bytes: t.exposeInt("bytes", { description: "Its size." }),
  }),
});

export const ActionVersionNode = builder.loadableNodeRef("ActionVersion", {
  id: { resolve: (version: ActionVersion) => version.id, description: "Opaque." },
  load: (ids: string[], { operation: { em, tenantId } }: Context) =>
    em.find(ActionVersion, { id: { $in: ids.filter(isUuid) }, tenantId }, { disableIdentityMap: true }),
  sort: (version) => version.id,
});

export const ActionNode = builder.loadableNode(Action, {
  name: "Action",
  description: "A reusable unit of work. What it does is said by its versions, which never change.",
  id: { resolve: (action) => action.id, description: "Opaque." },
  authScopes: { permission: "action:read" },
  load: (ids: string[], { operation: { em, tenantId } }) =>
    em.find(Action, { id: { $in: ids.filter(isUuid) }, tenantId }, { disableIdentityMap: true }),
  sort: (action) => action.id,
  fields: (t) => ({
    uuid: t.expose("uuid", { type: "UUID", description: "The definition's id, unique in the tenant." }),
    name: t.exposeString("name", { description: "Unique in the tenant." }),
    type: t.expose("type", { type: ActionTypeEnum, description: "Its category, by its active version." }),
    description: t.exposeString("description", { description: "What it does, by its active version." }),
    tags: t.exposeStringList("tags", { description: "Labels, by its active version." }),
    enabled: t.exposeBoolean("enabled", {
      description: "Whether it may run in production; in the sandbox it may always.",
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was first registered." }),
    activeVersion: t.field({
      type: ActionVersionNode,
      nullable: true,
      description:
        "What its name alone means. Null when every version was withdrawn, or none is left but those that are held back.",
      resolve: ({ activeVersionId }) => activeVersionId,
    }),
    versions: t.connection(
      {
        type: ActionVersionNode,
        description: "Every version, the highest first.",
        resolve: ({ id }, args, { operation }) =>
          resolvePage<ActionVersion>(args, {
            keyLength: 1,
            key: ({ version }) => [version],
            count: () => countVersions(operation, id),
            find: (range) => listVersions(operation, id, range),
          }),
      },
      { name: "ActionVersionConnection", description: "A page of an action's versions." },
      { name: "ActionVersionEdge", description: "A version in a page." },
    ),
  }),
});

ActionVersionNode.implement({
  description: "A registered version of an action. It never changes; only its status does.",
  authScopes: { permission: "action:read" },
  fields: (t) => ({
    action: t.field({ type: ActionNode, description: "Whose version it is.", resolve: ({ actionId }) => actionId }),
    version: t.exposeString("version", { description: "MAJOR.MINOR.PATCH." }),
    status: t.expose("status", { type: ActionVersionStatusEnum, description: "Whether references resolve to it." }),
    isActive: t.boolean({
      description: "Whether the action's name alone means it.",
      resolve: async ({ id, actionId }, _args, context) =>
        (await ActionNode.getDataloader(context).load(actionId))?.activeVersionId === id,
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was registered." }),
    definition: t.field({
      type: "JSON",
      description: "As it was registered.",
      resolve: ({ definition }) => definition,
    }),
    files: t.field({
      type: [ActionFileObject],
      description: "Its package, by path.",
      resolve: ({ id }, _args, context) => filesOf(context).load(id),
    }),
    timeoutSeconds: t.int({
      description: "Longest time of one attempt.",
      resolve: (version) => definitionOf(version).timeout_seconds ?? limits.timeoutSecondsDefault,
    }),
    executor: t.field({
      type: ActionExecutor,
      description: "How it runs.",
      resolve: (version) => definitionOf(version).executor,
    }),
    parameters: t.field({
      type: [ActionParameter],
      description: "What it accepts, in declared order.",
      resolve: (version) => [...definitionOf(version).parameters],
    }),
  }),
});

/** Only what `checkDefinition` accepted is ever stored. */
function definitionOf({ definition }: ActionVersion): ActionDefinition {
  return definition as unknown as ActionDefinition;
}

const fileLoaders = new WeakMap<Context, DataLoader<string, FileHead[]>>();

/** The files of versions without their content, one statement for all versions of an operation. */
function filesOf(context: Context): DataLoader<string, FileHead[]> {
  const known = fileLoaders.get(context);
  if (known) return known;
  const { em, tenantId } = context.operation;
  const loader = new DataLoader<string, FileHead[]>(async (versionIds) => {
    const files = await em.find(
      ActionFile,
      { tenantId, versionId: { $in: [...versionIds] } },
      { fields: ["versionId", "path", "sha256", "bytes"], orderBy: { path: "asc" }, disableIdentityMap: true },
    );
    const byVersion = Map.groupBy(files, ({ versionId }) => String(versionId));
    return versionIds.map((id) => byVersion.get(id) ?? []);
  });
  fileLoaders.set(context, loader);
  return loader;
}
