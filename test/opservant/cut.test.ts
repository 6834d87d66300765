import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CuttingProxy, startCuttingProxy } from "../runs/cutting-proxy.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { execute, letTimePass, registerAgentAction, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

/** Another node than the one that is cut off: the database is asked through it. */
let steady: TestServer;
beforeAll(async () => {
  steady = await startTestServer();
});
afterAll(() => steady.close());

describe.each([
  ["whose database connection is cut", false],
  ["that hears no notification", true],
])("a node %s", (what, isDeaf) => {
  let proxy: CuttingProxy;
  let node: TestServer;
  let agent: ScriptedAgent;

  beforeEach(async () => {
    proxy = await startCuttingProxy(steady.database, { isDeaf });
    node = await startTestServer({ database: proxy.address });
    agent = (await ScriptedAgent.enrol(node, node.adminToken, what)).connect();
    await registerAgentAction(node, { name: isDeaf ? "deaf" : "cut", agentId: agent.agentId });
  });
  afterEach(async () => {
    await agent.disconnect();
    await node.close();
    await proxy.close();
  });

  test("gives its agent's task one outcome", async () => {
    const id = await execute(node, isDeaf ? "deaf" : "cut");
    await expect.poll(() => agent.offers.length).toBe(1);
    const { taskId } = agent.offers[0]!;
    await agent.renew(taskId);
    await agent.log(taskId, 0, ["before"]);
    if (!isDeaf) {
      for (const lose of [() => proxy.cut(), () => proxy.loseAnswers()]) {
        lose();
        await expect.poll(() => agent.renew(taskId).catch(() => undefined)).toMatchObject({ cancelled: false });
      }
    }
    const complete = () => agent.complete({ taskId, exitCode: 0, result: "once" }).catch(() => undefined);
    await expect.poll(complete).toMatchObject({ accepted: true });
    const run = await seeEnded(steady, id);
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "once" }] });
    expect(run.statuses.filter((status) => status === "SUCCEEDED")).toHaveLength(1);
  });
});

describe("an agent whose network is away for longer than its lease", () => {
  test("finds its task offered again, tells its answer, and there is one outcome", async () => {
    const agent = (await ScriptedAgent.enrol(steady, steady.adminToken, "away")).connect();
    await registerAgentAction(steady, { name: "away", agentId: agent.agentId });
    const id = await execute(steady, "away");
    await expect.poll(() => agent.offers.length).toBe(1);
    const { taskId } = agent.offers[0]!;
    await agent.renew(taskId);
    await agent.disconnect();
    await letTimePass(steady, taskId, "lease");
    agent.connect();
    await expect.poll(() => agent.offers.length).toBe(2);
    expect(agent.offers[1]?.taskId).toBe(taskId);
    await Promise.all([agent.renew(taskId), agent.complete({ taskId, exitCode: 0, result: 1 })]);
    expect(await seeEnded(steady, id)).toMatchObject({ steps: [{ output: 1 }], statuses: ["RUNNING", "SUCCEEDED"] });
    await agent.disconnect();
  });
});
