import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DatabaseAddress } from "../../src/database/address.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { freePort } from "../support/free-ports.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeCustomer, setEnabled } from "../tenancy/customers.ts";
import { mutate } from "../tenancy/strangers.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const adminToken = "crash-test-token-0123456789";
const secretsKey = Buffer.alloc(32, 7).toString("base64");
const playbook = (key: string, steps: readonly string[]) =>
  [`id: ${key}`, `name: ${key}`, 'version: "1.0.0"', "trigger: {event: manual}", `steps: [${steps.join(", ")}]`].join(
    "\n",
  );
const call = "{id: call, name: Call, type: action, action_ref: call@1.0, max_retries: 2, on_failure: continue}";
const wait = "{id: wait, name: Wait, type: delay, duration: 15s, on_success: call}";

let database: TestDatabase;
let directory: string;
let killed: ServerProcess;
let next: TestServer | undefined;
let vendor: Server;
let calls = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  directory = await mkdtemp(path.join(tmpdir(), "riposte-crash-"));
  // It never answers.
  vendor = createServer(() => {
    calls += 1;
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  const env = { DATABASE_URL: urlOf(database.address), SECRETS_KEY: secretsKey, LOCAL_ISOLATION: "off" };
  killed = await startServerProcess({ dataDirectory: directory, port: await freePort(), token: adminToken, env });
});
afterAll(async () => {
  await killed.kill();
  await next?.close();
  vendor.closeAllConnections();
  vendor.close();
  await database.close();
  await rm(directory, { recursive: true, force: true });
});

test("what a killed node was at, and what slept, is not begun again where the tenant was disabled meanwhile", async () => {
  const place = { url: killed.url, adminToken } as TestServer;
  const { token, tenantId, name } = await makeCustomer(place, "customer");
  const definition = {
    ...{ name: "call", version: "1.0.0", type: "containment", description: "Calls.", parameters: [] },
    executor: { type: "remote", target: `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/` },
  };
  await mutate(place, token, "registerAction", "action { id }", { definition });
  await mutate(place, token, "registerPlaybook", "playbook { id }", { source: playbook("works", [call]) });
  await mutate(place, token, "registerPlaybook", "playbook { id }", { source: playbook("sleeps", [wait, call]) });
  for (const key of ["sleeps", "works"]) await mutate(place, token, "executePlaybook", "run { id }", { key });
  await expect.poll(() => calls, { timeout: 20_000 }).toBe(1);
  await expect.poll(() => statuses(tenantId), { timeout: 20_000 }).toEqual(["RUNNING null", "WAITING null"]);

  await killed.kill();
  await database.orm.em.fork().execute("update tenant set disabled_at = now() where id = ?", [tenantId]);
  next = await startTestServer({ database: database.address, config: { ADMIN_TOKEN: adminToken } });
  const refused = "FAILED tenant_disabled";
  await expect.poll(() => statuses(tenantId), { timeout: 60_000 }).toEqual([refused, refused]);
  expect(calls).toBe(1);

  await setEnabled(next, { tenant: name, enabled: true });
  await mutate(next, token, "executePlaybook", "run { id }", { key: "works" });
  await expect.poll(() => calls, { timeout: 20_000 }).toBe(2);
}, 120_000);

async function statuses(tenantId: string): Promise<string[]> {
  const sql = "select status, error_code from run where tenant_id = ?";
  type Row = { status: string; error_code: string | null };
  const rows = await database.orm.em.fork().execute<Row[]>(sql, [tenantId]);
  return rows.map(({ status, error_code: code }) => `${status} ${code}`).toSorted();
}

function urlOf(address: DatabaseAddress): string {
  if (!("socketDirectory" in address)) throw new Error("The test database has a socket.");
  return `postgres://${address.user}@localhost/${address.database}?host=${encodeURIComponent(address.socketDirectory)}`;
}
