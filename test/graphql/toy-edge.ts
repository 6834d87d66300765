import {
  GraphQLEnumType,
  type GraphQLFieldConfigMap,
  GraphQLID,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
} from "graphql";
import type { Log } from "../../src/core/log.ts";
import type { Context } from "../../src/graphql/builder.ts";
import { type Edge, type EdgeOptions, openEdge } from "../../src/graphql/server.ts";

/** A resolver of the toy schema does what the test says, so that a test can throw anything from anywhere. */
export interface Toy {
  boom: (context: Context) => unknown;
  ticks: (args: { after?: string | null }, context: Context) => AsyncIterable<unknown>;
  /** What the log was told, as JSON. */
  readonly logged: string[];
  /** Contexts that were made. */
  readonly contexts: Context[];
  readonly validTokens: Set<string>;
  checks: Record<string, boolean>;
}

export interface ToyEdge extends Edge {
  readonly toy: Toy;
  readonly url: string;
  readonly wsUrl: string;
  /** POSTs an operation as JSON. */
  post(query: string, variables?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { message: string; path?: unknown; extensions?: Record<string, unknown> }[];
}

/** The edge alone: its own port, a schema of a few fields, and contexts without a database. */
export async function openToyEdge(options: Partial<EdgeOptions> = {}): Promise<ToyEdge> {
  const toy: Toy = {
    boom: () => "quiet",
    async *ticks() {
      yield { cursor: "c1", text: "one" };
      yield { cursor: "c2", text: "two" };
    },
    logged: [],
    contexts: [],
    validTokens: new Set(["Bearer good"]),
    checks: { database: true },
  };
  const edge = await openEdge({
    host: "127.0.0.1",
    port: 0,
    allowedOrigins: [],
    introspection: "on",
    log: logInto(toy.logged),
    schema: toySchema(toy),
    documents: { "/api/actions/schema": { contentType: "application/schema+json", body: '{"type":"object"}' } },
    readiness: async () => toy.checks,
    createContext: async ({ authorization, lastEventId }) => contextOf(toy, authorization, lastEventId),
    renewContext: (context) => ({ ...context }),
    askerOf: async () => undefined,
    ...options,
  });
  const url = `http://127.0.0.1:${edge.port}/graphql`;
  return {
    ...edge,
    toy,
    url,
    wsUrl: `ws://127.0.0.1:${edge.port}/graphql`,
    async post(query, variables, headers = {}) {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ query, variables }),
      });
      return { status: response.status, ...((await response.json()) as object) };
    },
  };
}

function contextOf(toy: Toy, authorization: string | undefined, lastEventId: string | undefined): Context {
  const isSignedIn = authorization !== undefined && toy.validTokens.has(authorization);
  const context = { isSignedIn, hasPermission: () => isSignedIn, lastEventId } as unknown as Context;
  toy.contexts.push(context);
  return context;
}

function logInto(lines: string[]): Log {
  const write = (...parts: unknown[]) => void lines.push(JSON.stringify(parts));
  return { debug: write, info: write, warn: write, error: write } as unknown as Log;
}

function toySchema(toy: Toy): GraphQLSchema {
  const colour = new GraphQLEnumType({ name: "Colour", values: { RED: {}, BLUE: {} } });
  const shout = new GraphQLScalarType({
    name: "Shout",
    serialize: (value) => value,
    parseValue: () => {
      throw new Error("never");
    },
  });
  const thingInput = new GraphQLInputObjectType({
    name: "ThingInput",
    fields: {
      name: { type: new GraphQLNonNull(GraphQLString) },
      count: { type: GraphQLInt },
      colour: { type: colour },
      colours: { type: new GraphQLList(new GraphQLNonNull(colour)) },
    },
  });
  const thing: GraphQLObjectType = new GraphQLObjectType({
    name: "Thing",
    fields: () => ({
      name: { type: GraphQLString },
      thing: { type: thing, resolve: () => ({ name: "inner" }) },
      things: {
        type: new GraphQLList(thing),
        resolve: () => [],
        extensions: { complexity: { field: 1, multiplier: 100 } },
      },
      page: {
        type: new GraphQLList(thing),
        args: { first: { type: GraphQLInt } },
        resolve: () => [],
        extensions: {
          complexity: ({ first }: { first?: number | null }) => ({ field: 1, multiplier: first ?? 10 }),
        },
      },
      colour: { type: colour, resolve: () => "a-secret-colour" },
    }),
  });
  const tick = new GraphQLObjectType<{ cursor: string; text: string; boom?: unknown }>({
    name: "Tick",
    fields: {
      cursor: { type: new GraphQLNonNull(GraphQLString) },
      text: { type: GraphQLString },
      boom: { type: GraphQLString, resolve: (_tick, _args, context) => toy.boom(context) },
    },
  });
  const fields: GraphQLFieldConfigMap<unknown, Context> = {
    hello: {
      type: GraphQLString,
      args: { name: { type: GraphQLString } },
      resolve: (_root, args) => `Hello ${args["name"]}`,
    },
    thing: {
      type: thing,
      args: { input: { type: thingInput }, id: { type: GraphQLID }, shout: { type: shout } },
      resolve: () => ({ name: "thing" }),
    },
    boom: { type: GraphQLString, resolve: (_root, _args, context) => toy.boom(context) },
    strictBoom: { type: new GraphQLNonNull(GraphQLString), resolve: () => null },
  };
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: "Query", fields }),
    mutation: new GraphQLObjectType({
      name: "Mutation",
      fields: { ...fields, change: { type: GraphQLString, resolve: () => "changed" } },
    }),
    subscription: new GraphQLObjectType({
      name: "Subscription",
      fields: {
        ticks: {
          type: tick,
          args: { after: { type: GraphQLString } },
          subscribe: (_root, args, context) => toy.ticks(args, context),
          resolve: (event) => event,
        },
      },
    }),
  });
}
