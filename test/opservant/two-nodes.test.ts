import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { execute, registerAgentAction, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

describe("an agent of a cluster", () => {
  let a: TestServer;
  let b: TestServer;
  let agent: ScriptedAgent;

  beforeAll(async () => {
    a = await startTestServer();
    b = await startTestServer({ database: a.database });
    agent = (await ScriptedAgent.enrol(a, a.adminToken, "site")).at(b).connect();
    await registerAgentAction(a, { name: "far", agentId: agent.agentId });
    await registerAgentAction(a, { name: "careful", agentId: agent.agentId, fields: { on_interrupt: "fail" } });
  });
  afterAll(async () => {
    await agent.disconnect();
    await b.close();
    await a.close();
  });

  test("is given tasks by a node that it is not connected to, and answers it", async () => {
    const id = await execute(a, "far");
    await expect.poll(() => agent.offers.length).toBe(1);
    const { taskId } = agent.offers[0]!;
    await agent.renew(taskId);
    await agent.log(taskId, 0, ["from b"]);
    await expect.poll(async () => await logsOf(a, id)).toEqual(["from b"]);
    await agent.complete({ taskId, exitCode: 0, result: "done" });
    expect(await seeEnded(a, id)).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "done" }], logs: ["from b"] });
  });

  test("goes on with a task whose node stops, and another node hears its answer", async () => {
    const c = await startTestServer({ database: a.database });
    const id = await execute(c, "careful");
    await expect.poll(() => agent.offers.length).toBe(2);
    const { taskId } = agent.offers[1]!;
    await agent.renew(taskId);
    await agent.log(taskId, 0, ["one"]);
    await expect.poll(async () => await logsOf(c, id)).toEqual(["one"]);
    await c.close();
    await agent.renew(taskId);
    await agent.log(taskId, 1, ["two"]);
    await agent.complete({ taskId, exitCode: 0, result: "once" });
    const run = await seeEnded(a, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "once" }] });
    expect(run.logs.at(-1)).toBe("two");
    expect(agent.offers).toHaveLength(2);
  });

  test("is heard first where the action may not begin any more when another node takes the run over", async () => {
    const c = await startTestServer({ database: a.database });
    const id = await execute(c, "far");
    await expect.poll(() => agent.offers.length).toBe(3);
    const { taskId } = agent.offers[2]!;
    await agent.renew(taskId);
    const disable = 'mutation { setActionEnabled(input: { ref: "far", enabled: false }) { __typename } }';
    await a.client().request(disable);
    await c.close();
    await agent.complete({ taskId, exitCode: 0, result: "done all the same" });
    expect(await seeEnded(a, id)).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "done all the same" }] });
  });
});

async function logsOf(server: TestServer, id: string): Promise<readonly string[]> {
  const query =
    "query($id: ID!) { run(id: $id) { events(first: 100) { edges { node { ... on LogEvent { text } } } } } }";
  type Events = { run: { events: { edges: { node: { text?: string } }[] } } };
  const { run } = await server.client().request<Events>(query, { id });
  return run.events.edges.flatMap(({ node }) => node.text ?? []);
}
