// One PostgreSQL for a whole `vitest run`, with a template database that holds the migrated tables; test files clone it.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { silentLog } from "../../src/core/log.ts";
import { clientConfig } from "../../src/database/address.ts";
import { startEmbeddedPostgres } from "../../src/database/embedded-postgres.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";

/** How a test reaches the server: the superuser, in the directory of its socket. */
export interface TestServer {
  readonly socketDirectory: string;
  readonly user: string;
  readonly templateDatabase: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    testServer: TestServer;
  }
}

const templateDatabase = "riposte_template";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), "riposte-test-"));
  await chmod(directory, 0o755); // as root the server runs as another user, who has to get in
  // Nothing in it has to survive a power cut, and tests are quicker so.
  const settings = { fsync: "off" };
  const postgres = await startEmbeddedPostgres({
    dataDirectory: path.join(directory, "data"),
    log: silentLog,
    settings,
  });
  if ("url" in postgres.address) throw new Error("An embedded PostgreSQL has a socket.");
  const { socketDirectory, user } = postgres.address;
  const server = { socketDirectory, user, templateDatabase };
  await prepareTemplate(server);
  project.provide("testServer", server);
  return async () => {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  };
}

async function prepareTemplate({ socketDirectory, user }: TestServer): Promise<void> {
  const client = new pg.Client(clientConfig({ socketDirectory, user, database: "postgres" }));
  await client.connect();
  await client.query(`create database ${templateDatabase}`);
  await client.end();
  const orm = await openOrm({ socketDirectory, user, database: templateDatabase }, entities);
  await migrate(orm);
  await orm.close(true);
}
