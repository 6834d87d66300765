import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { execute, registerAgentAction, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

describe("an action on an agent", () => {
  let server: TestServer;
  let agent: ScriptedAgent;

  beforeAll(async () => {
    server = await startTestServer();
    agent = (await ScriptedAgent.enrol(server, server.adminToken, "site one")).connect();
    await registerAgentAction(server, { name: "simple", agentId: agent.agentId });
  });
  afterAll(async () => {
    await agent.disconnect();
    await server.close();
  });

  test("is handed to it, and its answer is the run's outcome", async () => {
    const id = await execute(server, "simple");
    await expect.poll(() => agent.offers.length).toBe(1);
    const task = agent.offers[0]!;
    expect(task).toMatchObject({
      action: { name: "simple", version: "1.0.0" },
      entry: "work.sh",
      attempt: 1,
      runId: id,
    });
    expect(await agent.renew(task.taskId)).toMatchObject({ cancelled: false });
    expect(await agent.log(task.taskId, 0, ["one", "two"])).toMatchObject({ accepted: true });
    expect(await agent.complete({ taskId: task.taskId, exitCode: 0, result: { done: true } })).toMatchObject({
      accepted: true,
    });
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ output: { done: true } }], logs: ["one", "two"] });
  });
});
