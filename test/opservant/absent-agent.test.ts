import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { localId } from "../../src/core/global-id.ts";
import { AgentTask } from "../../src/opservant/entities.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { execute, letTimePass, registerAgentAction, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

let server: TestServer;
let agent: ScriptedAgent;
beforeAll(async () => {
  server = await startTestServer();
  agent = await ScriptedAgent.enrol(server, server.adminToken, "absent");
  await registerAgentAction(server, { name: "simple", agentId: agent.agentId });
});
afterAll(() => server.close());
beforeEach(async () => {
  agent = agent.at(server).connect();
  await expect.poll(() => statusOf(agent)).toBe("CONNECTED");
  return () => agent.disconnect();
});

describe("without a connected agent, a step", () => {
  test("waits for its time and fails as agent_unavailable", async () => {
    await agent.disconnect();
    await expect.poll(async () => statusOf(agent)).toBe("DISCONNECTED");
    const id = await execute(server, "simple");
    const find = () =>
      server.orm.em.fork().execute<{ id: string }[]>("select id from agent_task where finished_at is null");
    await expect.poll(async () => (await find()).length).toBe(1);
    await letTimePass(server, (await find())[0]?.id ?? "", "deadline");
    expect(await seeEnded(server, id)).toMatchObject({
      steps: [{ status: "FAILED", error: { code: "agent_unavailable" } }],
    });
  });

  test("waits for the agent and is carried out when it comes", async () => {
    await agent.disconnect();
    const id = await execute(server, "simple");
    agent = agent.at(server).connect();
    await expect.poll(() => agent.offers.length).toBe(1);
    await agent.complete({ taskId: agent.offers[0]?.taskId ?? "", exitCode: 0 });
    expect(await seeEnded(server, id)).toMatchObject({ status: "SUCCEEDED" });
  });
});

describe("in the sandbox, an action on an agent", () => {
  test("is simulated, and its agent hears nothing of it", async () => {
    const query = `mutation { executeAction(input: { ref: "simple", sandbox: true }) { ... on ExecuteActionPayload { run { id } } } }`;
    const { executeAction } = await server.client().request<{ executeAction: { run: { id: string } } }>(query);
    expect(await seeEnded(server, executeAction.run.id)).toMatchObject({
      steps: [{ status: "SIMULATED", error: null }],
    });
    const runId = localId("Run", executeAction.run.id) ?? "";
    expect(await server.orm.em.fork().count(AgentTask, { runId })).toBe(0);
  });
});

async function statusOf({ agentId }: ScriptedAgent): Promise<string | undefined> {
  const query = "{ agents(first: 100) { edges { node { agentId status } } } }";
  type Agents = { agents: { edges: { node: { agentId: string; status: string } }[] } };
  const { agents } = await server.client().request<Agents>(query);
  return agents.edges.find(({ node }) => node.agentId === agentId)?.node.status;
}
