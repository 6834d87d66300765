// One PostgreSQL for a whole `vitest run`, with a template database that holds the migrated tables; test files clone it.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { startPg } from "../../src/database/embedded-postgres.ts";
import { migrate } from "../../src/database/migrate.ts";
import { clientConfig, openOrm } from "../../src/database/orm.ts";
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
  const postgres = await startPg(path.join(directory, "data"));
  const server = { socketDirectory: postgres.socketDir, user: "postgres", templateDatabase };
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
  // Nothing here has to survive a power cut, and the tests are quicker so.
  await client.query("alter system set fsync = off");
  await client.query("select pg_reload_conf()");
  await client.query(`create database ${templateDatabase}`);
  await client.end();
  const orm = await openOrm({ socketDirectory, user, database: templateDatabase }, entities);
  await migrate(orm);
  await orm.close(true);
}
