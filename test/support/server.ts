import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { GraphQLClient } from "graphql-request";
import { createClient, type ExecutionResult } from "graphql-ws";
import { WebSocket } from "ws";
import { type App, startApp } from "../../src/app.ts";
import { type Config, readConfig } from "../../src/config.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import type { DatabaseAddress } from "../../src/database/address.ts";
import type { Orm } from "../../src/database/orm.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { createTestDatabase } from "./database.ts";
import { overheard } from "./heard-log.ts";

export interface TestServer {
  /** `http://127.0.0.1:<port>/graphql` */
  readonly url: string;
  readonly wsUrl: string;
  /** The first tenant's admin. */
  readonly adminToken: string;
  readonly app: App;
  readonly orm: Orm;
  /** Of requests, behind the wall between tenants. */
  readonly requests: Orm;
  readonly database: DatabaseAddress;
  /** Sends operations over HTTP; without a token as the admin, with `null` as nobody. */
  client(token?: string | null): GraphQLClient;
  /** Subscribes over a socket of its own, which closes when the stream ends or is left (`break`, `return()`). */
  subscribe<Data = Record<string, unknown>>(
    token: string | null,
    document: string,
    variables?: Record<string, unknown>,
  ): AsyncIterableIterator<ExecutionResult<Data>>;
  /** Stops the server and drops its database, unless that came with the options. */
  close(): Promise<void>;
}

export interface TestServerOptions {
  /** Laid over the configuration of tests: any free port, loopback may be reached, an admin token is made. */
  readonly config?: Partial<Config>;
  /** A database that is there already, of which this server is one more node. */
  readonly database?: DatabaseAddress;
  /** Live actions besides the built-in ones. */
  readonly adapters?: readonly Adapter[];
  /** Hears what the server logs; silent by default. */
  readonly log?: Log;
}

/** A whole server in this process, on a database of its own. Close it in `afterAll`. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const fresh = options.database ? undefined : await createTestDatabase();
  const database = options.database ?? fresh!.address;
  const dataDirectory = await mkdtemp(path.join(tmpdir(), "riposte-server-"));
  const defaults = readConfig({
    PORT: "0",
    DATA_DIR: dataDirectory,
    EGRESS_ALLOW: "127.0.0.1/32",
    // Isolated where the host that tests run on can; its database is one that others may share.
    LOCAL_ISOLATION: "preferred",
    ADMIN_TOKEN: testAdminToken,
    SECRETS_KEY: testSecretsKey,
  });
  const app = await startApp(
    { ...defaults, ...options.config },
    {
      log: options.log ? overheard(options.log, silentLog) : silentLog,
      database: { address: database, isEmbedded: false, stop: async () => undefined },
      adapters: options.adapters ?? [],
    },
  );
  const url = `${app.url}/graphql`;
  const wsUrl = url.replace(/^http/, "ws");
  const adminToken = options.config?.ADMIN_TOKEN ?? testAdminToken;
  return {
    url,
    wsUrl,
    adminToken,
    app,
    orm: app.orm,
    requests: app.requests,
    database,
    client: (token = adminToken) =>
      new GraphQLClient(url, token === null ? {} : { headers: { authorization: `Bearer ${token}` } }),
    subscribe: (token, query, variables) => subscribe(wsUrl, token, { query, variables: variables ?? {} }),
    async close() {
      await app.stop();
      await fresh?.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

const testAdminToken = "test-admin-token-0123456789";
/** 32 bytes; the same for every node of a test, as a cluster needs it. */
const testSecretsKey = Buffer.alloc(32, 7).toString("base64");

function subscribe<Data>(
  url: string,
  token: string | null,
  payload: { query: string; variables: Record<string, unknown> },
): AsyncIterableIterator<ExecutionResult<Data>> {
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    ...(token === null ? {} : { connectionParams: { authorization: `Bearer ${token}` } }),
  });
  const results = client.iterate<Data>(payload);
  const leave = async () => {
    await results.return?.(undefined);
    await client.dispose();
  };
  const stream: AsyncIterableIterator<ExecutionResult<Data>> = {
    [Symbol.asyncIterator]: () => stream,
    async next() {
      try {
        const result = await results.next();
        if (result.done) await client.dispose();
        return result as IteratorResult<ExecutionResult<Data>>;
      } catch (error) {
        await client.dispose();
        throw error;
      }
    },
    async return() {
      await leave();
      return { done: true, value: undefined };
    },
  };
  return stream;
}
