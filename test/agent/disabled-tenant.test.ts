import { afterAll, beforeAll, expect, test } from "vitest";
import { isRunning } from "../executors/scripts.ts";
import { execute, see, seeEnded } from "../opservant/agent-actions.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { type Customer, makeCustomer, setEnabled } from "../tenancy/customers.ts";
import { connectedAgent, enrolment, registerScript } from "./agent-office.ts";
import { type AgentMachine, type AgentProcess, createAgentMachine } from "./agent-process.ts";

let host: TestServer;
let theirs: Customer;
/** As the customer's admin has it. */
let server: TestServer;
let machine: AgentMachine;
let agent: AgentProcess;

beforeAll(async () => {
  host = await startTestServer();
  theirs = await makeCustomer(host, "customer");
  server = { ...host, client: (token = theirs.token) => host.client(token) };
  machine = await createAgentMachine();
  agent = machine.start("--server", host.app.url, "--token", await enrolment(server, "site"));
});
afterAll(async () => {
  await machine.remove();
  await host.close();
});

test("an agent of a disabled tenant ends its scripts, stays, and works again once the tenant is enabled", async () => {
  const { agentId } = await connectedAgent(server, "site");
  await registerScript(server, { name: "endless", agentId, script: "sleep 600 & echo $! >&2; wait" });
  await registerScript(server, { name: "quick", agentId, script: "echo 7" });
  const begun = await execute(server, "endless");
  await expect.poll(async () => (await see(server, begun)).logs.length, { timeout: 20_000 }).toBe(1);
  const [pid = 0] = (await see(server, begun)).logs.map(Number);
  await setEnabled(host, { tenant: theirs.name, enabled: false });
  await expect.poll(() => isRunning(pid), { timeout: 40_000 }).toBe(false);
  await expect.poll(() => agent.said(), { timeout: 20_000 }).toContain("This tenant is disabled");
  expect(agent.child.exitCode).toBeNull();

  await setEnabled(host, { tenant: theirs.name, enabled: true });
  await connectedAgent(server, "site");
  expect((await seeEnded(server, begun)).status).toBe("FAILED");
  expect(await seeEnded(server, await execute(server, "quick"))).toMatchObject({ steps: [{ output: 7 }] });
}, 120_000);
