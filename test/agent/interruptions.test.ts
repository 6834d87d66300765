import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { startServerProcess } from "../crash/server-process.ts";
import { execute, letTimePass, see, seeEnded } from "../opservant/agent-actions.ts";
import { freePort } from "../support/free-ports.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { connectedAgent, enrolment, registerScript } from "./agent-office.ts";
import { type AgentMachine, createAgentMachine } from "./agent-process.ts";
import { startSilentNetwork } from "./silent-network.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function newMachine(): Promise<AgentMachine> {
  const machine = await createAgentMachine();
  closers.push(machine.remove);
  return machine;
}

async function newServer(): Promise<TestServer> {
  const server = await startTestServer();
  closers.push(server.close);
  return server;
}

/** Notes each of its runs with the step's key, says so, waits for a file, and answers. */
const waiting =
  'echo "$IDEMPOTENCY_KEY" >> "$1/runs"; echo begun >&2; while [ ! -e "$1/go" ]; do sleep 0.05; done; echo "[1]"';
const directory = { name: "directory", type: "string", required: true, description: "Where." };

/** An action under way on a connected agent. */
async function underWay(server: TestServer, machine: AgentMachine, fields: Readonly<Record<string, unknown>> = {}) {
  const { agentId } = await connectedAgent(server, "site");
  await registerScript(server, { name: "wait", agentId, script: waiting, parameters: [directory], fields });
  const id = await execute(server, "wait", { directory: machine.directory });
  await expect.poll(async () => (await see(server, id)).logs).toEqual(["begun"]);
  return { id, finish: () => writeFile(join(machine.directory, "go"), "") };
}

async function runsOn(machine: AgentMachine): Promise<string[]> {
  return (await readFile(join(machine.directory, "runs"), "utf8")).trim().split("\n");
}

const taskIn = (said: string): string => /\(task ([0-9a-f-]{36}),/.exec(said)?.[1] ?? "";

describe("a task whose agent is killed", () => {
  test("is run again by it with the same key, once its lease is over, and has one outcome", async () => {
    const [server, machine] = [await newServer(), await newMachine()];
    const agent = machine.start("--server", server.app.url, "--token", await enrolment(server, "site"));
    const { id, finish } = await underWay(server, machine);
    await agent.end("SIGKILL");
    machine.start("--server", server.app.url);
    await connectedAgent(server, "site");
    await letTimePass(server, taskIn(agent.said()), "lease");
    await expect.poll(() => runsOn(machine)).toHaveLength(2);
    await finish();
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ attempt: 1, output: [1] }], logs: ["begun", "begun"] });
    expect(run.statuses.filter((status) => status === "SUCCEEDED")).toHaveLength(1);
    expect(new Set(await runsOn(machine)).size).toBe(1);
  });

  test("is not run again where its author says so, and a person has to look", async () => {
    const [server, machine] = [await newServer(), await newMachine()];
    const agent = machine.start("--server", server.app.url, "--token", await enrolment(server, "site"));
    const { id } = await underWay(server, machine, { on_interrupt: "fail" });
    await agent.end("SIGKILL");
    const again = machine.start("--server", server.app.url);
    await connectedAgent(server, "site");
    await letTimePass(server, taskIn(agent.said()), "lease");
    await letTimePass(server, taskIn(agent.said()), "deadline");
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "FAILED", steps: [{ error: { code: "effect_unknown" } }] });
    expect(await runsOn(machine)).toHaveLength(1);
    expect(again.said()).not.toMatch(/Runs /);
  });
});

describe("a task whose server", () => {
  test("is killed goes on, and its answer is taken by the next one, once", async () => {
    const home = await mkdtemp(join(tmpdir(), "riposte-agent-"));
    closers.push(() => rm(home, { recursive: true, force: true }));
    await chmod(home, 0o755);
    const port = await freePort();
    const start = async () => {
      const process = await startServerProcess({ dataDirectory: join(home, "data"), port, token: "agent-test-token" });
      closers.push(process.stop);
      // What the helpers of tests need of a server.
      return { process, server: { client: () => process.client } as TestServer };
    };
    const first = await start();
    const machine = await newMachine();
    machine.start("--server", `http://127.0.0.1:${port}`, "--token", await enrolment(first.server, "site"));
    const { id, finish } = await underWay(first.server, machine);
    await first.process.kill();
    await finish();
    const second = await start();
    const run = await seeEnded(second.server, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ output: [1] }] });
    // A line that the killed server was just handing on may be in the log once more.
    expect(new Set(run.logs)).toEqual(new Set(["begun"]));
    expect(run.statuses.filter((status) => status === "SUCCEEDED")).toHaveLength(1);
    expect(await runsOn(machine)).toHaveLength(1);
  }, 120_000);

  test("can't be reached for 30 seconds has one outcome, the right one", async () => {
    const server = await newServer();
    const network = await startSilentNetwork(server.app.url);
    closers.push(network.close);
    const machine = await newMachine();
    const agent = machine.start("--server", network.url, "--token", await enrolment(server, "site"));
    const { id, finish } = await underWay(server, machine);
    network.silence();
    await finish();
    // The time is what is tested: longer than a lease, a heartbeat, and an agent's patience.
    await sleep(30_000);
    expect((await see(server, id)).status).toBe("RUNNING");
    network.heal();
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ output: [1] }], logs: ["begun"] });
    expect(await runsOn(machine)).toHaveLength(1);
    expect(agent.said()).toMatch(/No connection to/);
  }, 120_000);
});
