import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { ClientError, GraphQLClient } from "graphql-request";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { ExampleError } from "./terminal.ts";

/** A Riposte server, and who we are there. */
export interface Connection {
  readonly url: string;
  /** Sends a query or a mutation. @throws ExampleError with what to do. */
  request<Data, Variables extends object>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data>;
  /** Subscribes over graphql-ws. Throws what the library throws when the connection is lost: who follows a run comes again with its cursor. */
  subscribe<Data, Variables extends object>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncIterable<Data>;
  close(): Promise<void>;
}

/** @param environment `RIPOSTE_URL`, and `RIPOSTE_TOKEN` or the server's own `ADMIN_TOKEN`. @throws ExampleError */
export function connect(environment: Readonly<Record<string, string | undefined>>): Connection {
  const url = environment["RIPOSTE_URL"] || `http://127.0.0.1:${environment["PORT"] || 4_000}/graphql`;
  const token = environment["RIPOSTE_TOKEN"] || environment["ADMIN_TOKEN"];
  if (!token) {
    throw new ExampleError(
      "Which token? npm start has printed an admin's token when it first started here. Give it with:\n\n" +
        "  RIPOSTE_TOKEN=rip_… npm run example\n\n" +
        "It is lost? Start the server again with one of your own: ADMIN_TOKEN=$(openssl rand -hex 24) npm start",
    );
  }
  const headers = { authorization: `Bearer ${token}` };
  const client = new GraphQLClient(url, { headers });
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: headers,
    retryAttempts: 0,
  });
  return {
    url,
    async request<Data>(document: TypedDocumentNode<Data, never>, variables: object) {
      try {
        return await client.request<Data>(print(document), { ...variables });
      } catch (error) {
        throw explained(error, url);
      }
    },
    async *subscribe<Data>(document: TypedDocumentNode<Data, never>, variables: object) {
      const results = socket.iterate<Data>({ query: print(document), variables: { ...variables } });
      try {
        for await (const { data, errors } of results) {
          if (errors) throw new ExampleError(errors.map(({ message }) => message).join("\n"));
          if (data) yield data;
        }
      } catch (error) {
        // The library throws the errors of a refused subscription as a list.
        if (!Array.isArray(error)) throw error;
        throw new ExampleError(error.map(({ message }: { message: string }) => message).join("\n"));
      }
    },
    close: async () => socket.dispose(),
  };
}

function explained(error: unknown, url: string): unknown {
  if (error instanceof ClientError) {
    const errors = error.response.errors ?? [];
    const codes = errors.map(({ extensions }) => extensions?.["code"]);
    if (codes.includes("UNAUTHENTICATED"))
      return new ExampleError("The server does not know this token. Is it of an earlier data directory?");
    if (codes.includes("FORBIDDEN"))
      return new ExampleError("This token may not do that; the example needs an admin's.");
    return new ExampleError(`The server refuses: ${errors.map(({ message }) => message).join("\n") || error.message}`);
  }
  if (!(error instanceof TypeError)) return error;
  // What fetch says is "fetch failed"; why is in its cause.
  const why = error.cause instanceof Error ? error.cause.message : error.message;
  return new ExampleError(
    `Nothing answers at ${url} (${why}). Start the server with npm start in another terminal, or set RIPOSTE_URL.`,
  );
}
