import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cancel, execute, registerAgentAction, see, seeEnded } from "../opservant/agent-actions.ts";
import { ScriptedAgent } from "../opservant/scripted-agent.ts";
import { freePort } from "../support/free-ports.ts";
import type { TestServer } from "../support/server.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const adminToken = "crash-test-token-0123456789";

describe("a server that is killed while an agent is at work", () => {
  let directory: string;
  let process: ServerProcess;
  let server: Pick<TestServer, "client">;
  let agent: ScriptedAgent;
  let port: number;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "riposte-crash-"));
    await chmod(directory, 0o755);
    port = await freePort();
    await start();
    agent = (await ScriptedAgent.enrol(process, adminToken, "site")).connect();
    await registerAgentAction(server, { name: "careful", agentId: agent.agentId, fields: { on_interrupt: "fail" } });
  });
  afterEach(async () => {
    await agent.disconnect();
    await process.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    process = await startServerProcess({ dataDirectory: path.join(directory, "data"), port, token: adminToken });
    server = { client: () => process.client };
  }

  async function killed(): Promise<void> {
    await process.kill();
    await expect.poll(() => agent.ended).toBeDefined();
  }

  /** A run whose task the agent has taken. */
  async function beginTaken(): Promise<{ id: string; taskId: string }> {
    const id = await execute(server, "careful");
    await expect.poll(() => agent.offers.length).toBe(1);
    const { taskId } = agent.offers[0]!;
    await agent.renew(taskId);
    await agent.log(taskId, 0, ["one"]);
    await expect.poll(async () => (await see(server, id)).logs).toEqual(["one"]);
    return { id, taskId };
  }

  test("hears its answer when it is back, and asks nobody twice", async () => {
    const { id, taskId } = await beginTaken();
    await killed();
    await start();
    agent.connect();
    await agent.log(taskId, 1, ["two"]);
    expect(await agent.complete({ taskId, exitCode: 0, result: "once" })).toMatchObject({ accepted: true });
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "once" }] });
    expect(run.logs.at(-1)).toBe("two");
    expect(run.statuses.filter((status) => status !== "RUNNING")).toEqual(["SUCCEEDED"]);
    expect(agent.offers).toHaveLength(1);
  }, 90_000);

  test("ends the task of a run that was cancelled, by its agent's word", async () => {
    const { id, taskId } = await beginTaken();
    await cancel(server, id);
    await killed();
    await start();
    agent.connect();
    await expect.poll(() => agent.renew(taskId)).toMatchObject({ cancelled: true });
    await agent.complete({ taskId, error: { code: "cancelled", message: "ended" } });
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "CANCELLED", steps: [{ status: "CANCELLED", error: null }] });
  }, 90_000);
});
