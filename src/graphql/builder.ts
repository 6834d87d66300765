import type { EntityManager } from "@mikro-orm/postgresql";
import SchemaBuilder from "@pothos/core";
import ComplexityPlugin from "@pothos/plugin-complexity";
import DataloaderPlugin from "@pothos/plugin-dataloader";
import ErrorsPlugin from "@pothos/plugin-errors";
import RelayPlugin from "@pothos/plugin-relay";
import ScopeAuthPlugin from "@pothos/plugin-scope-auth";
import { GraphQLError, type GraphQLOutputType, getNamedType, getNullableType, isListType } from "graphql";
import { BadInputError, TenantDisabledError } from "../core/failures.ts";
import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/**
 * What a resolver gets. Rooms add what their own resolvers need by augmenting this interface in their `graphql.ts`;
 * `app.ts` makes it, one per operation.
 */
export interface Context {
  /** A fork of its own for each operation. */
  readonly em: EntityManager;
  readonly isSignedIn: boolean;
  /** The token is a valid one, of a tenant that is disabled: not signed in, and told why. */
  readonly isTenantDisabled?: boolean;
  hasPermission(permission: string): boolean;
  /** The `Last-Event-ID` of an SSE client that reconnects: the cursor to go on from, instead of the argument `after`. */
  readonly lastEventId?: string | undefined;
}

/** What every connection has in common says the same everywhere. */
const connectionTexts = {
  firstArgOptions: { description: `So many from the beginning, or behind \`after\`: 1 to ${limits.pageSizeMax}.` },
  afterArgOptions: { description: "The cursor of a row: only what comes behind it." },
  lastArgOptions: { description: `So many from the end, or before \`before\`: 1 to ${limits.pageSizeMax}.` },
  beforeArgOptions: { description: "The cursor of a row: only what comes before it." },
  cursorFieldOptions: { description: "Its place: what `after` and `before` take." },
  pageInfoFieldOptions: { description: "Where the page stands among the others." },
  pageInfoTypeOptions: { description: "Where a page stands among the others." },
  hasNextPageFieldOptions: { description: "Whether there are rows behind this page." },
  hasPreviousPageFieldOptions: { description: "Whether there are rows before this page." },
  startCursorFieldOptions: { description: "The first row's cursor; null for an empty page." },
  endCursorFieldOptions: { description: "The last row's cursor; null for an empty page." },
} as const;

/** What a list that is no connection counts: steps, parameters, files. */
const listMultiplier = 10;

export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  /** `permission`: a name of the permission table; `signedIn`: any valid token. */
  AuthScopes: { signedIn: boolean; permission: string };
  Connection: { totalCount: () => Promise<number> | number };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: Json; Output: unknown };
    UUID: { Input: string; Output: string };
    ActionRef: { Input: string; Output: string };
  };
}>({
  plugins: [ComplexityPlugin, ErrorsPlugin, ScopeAuthPlugin, RelayPlugin, DataloaderPlugin],
  defaultFieldNullability: false,
  relay: {
    ...connectionTexts,
    edgesFieldOptions: { nullable: false, description: "The rows, each with its cursor." },
    nodeFieldOptions: { nullable: false, description: "The row." },
    nodeTypeOptions: { description: "Whatever can be asked for again by its id." },
    idFieldOptions: { description: "Opaque." },
    // Each type checks its own permission, and its tenant, where it loads.
    nodeQueryOptions: {
      authScopes: { signedIn: true },
      args: { id: { description: "Its opaque id." } },
      description: "Any object by its opaque id; null when there is none.",
    },
    nodesQueryOptions: {
      authScopes: { signedIn: true },
      args: { ids: { description: "Their opaque ids." } },
      description: "Objects by their opaque ids, in the order of these; at most a page of them.",
      resolve: (_root, { ids }, _context, _info, resolveNodes) => {
        if (ids.length > limits.pageSizeMax)
          throw new BadInputError(`Ask for at most ${limits.pageSizeMax} objects at once.`);
        return resolveNodes(ids);
      },
    },
  },
  errors: {
    directResult: true,
    defaultUnionOptions: {
      name: ({ fieldName }) => `${fieldName.charAt(0).toUpperCase()}${fieldName.slice(1)}Result`,
      description: "What was asked for, or the failure that says why not.",
    },
  },
  scopeAuth: {
    // Else a stream would be opened first, and refused with its first event.
    authorizeOnSubscribe: true,
    authScopes: (context) => ({
      signedIn: context.isSignedIn,
      permission: (permission) => context.hasPermission(permission),
    }),
    unauthorizedError: (_parent, context) => {
      if (context.isSignedIn) return new GraphQLError("You may not do this.", { extensions: { code: "FORBIDDEN" } });
      if (context.isTenantDisabled) return new TenantDisabledError();
      return new GraphQLError("Sign in with a valid token: Authorization: Bearer <token>.", {
        extensions: { code: "UNAUTHENTICATED" },
      });
    },
  },
  // Charged by `graphql/operation-cost.ts` before an operation starts, over every transport.
  complexity: {
    fieldComplexity: (args, _context, field) => costOf(args, field.type),
  },
});

/** The arguments that say how much is asked for: what a field costs depends on nothing else that is given to it. */
export const countingArguments: ReadonlySet<string> = new Set(["first", "last", "ids"]);

/** A connection costs its page; the list of edges in it is that page, counted already. */
function costOf(args: Record<string, unknown>, type: GraphQLOutputType): { field: number; multiplier: number } {
  const { name } = getNamedType(type);
  if (name.endsWith("Connection")) {
    const asked = args["first"] ?? args["last"];
    return { field: 1, multiplier: typeof asked === "number" && asked > 0 ? asked : limits.pageSizeDefault };
  }
  const { ids } = args;
  if (Array.isArray(ids)) return { field: 1, multiplier: ids.length };
  const isPlainList = isListType(getNullableType(type)) && !name.endsWith("Edge");
  return { field: 1, multiplier: isPlainList ? listMultiplier : 1 };
}

builder.globalConnectionField("totalCount", (t) =>
  t.int({
    description: "How many there are over all pages. Costs a statement of its own.",
    resolve: (connection) => connection.totalCount(),
  }),
);

builder.queryType({
  description: "What can be read. Every list is a bounded connection; every row is the caller's tenant's.",
});
builder.mutationType({
  description: "What can be changed. Each takes one input and answers its payload or a Failure.",
});
builder.subscriptionType({
  description: "What can be watched, over graphql-ws and over SSE. `after` takes a cursor and goes on from there.",
});
