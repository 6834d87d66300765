import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeStranger } from "../tenancy/strangers.ts";
import { execute, registerAgentAction, see, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

let server: TestServer;
let agent: ScriptedAgent;
beforeAll(async () => {
  server = await startTestServer();
  agent = (await ScriptedAgent.enrol(server, server.adminToken, "owner")).connect();
  await registerAgentAction(server, { name: "walled", agentId: agent.agentId });
});
afterAll(async () => {
  await agent.disconnect();
  await server.close();
});

const notFound = { __typename: "NotFoundFailure" };

describe("a task", () => {
  test.each(["the same tenant", "another tenant"])(
    "is nobody's but its agent's: not that of another agent of %s",
    async (whose) => {
      const token = whose === "the same tenant" ? server.adminToken : await makeStranger(server, "stranger");
      const other = (await ScriptedAgent.enrol(server, token, "another")).connect();
      const id = await execute(server, "walled");
      await expect.poll(() => agent.offers.some(({ runId }) => runId === id)).toBe(true);
      const taskId = agent.offers.find(({ runId }) => runId === id)?.taskId ?? "";
      expect(await other.renew(taskId)).toMatchObject(notFound);
      expect(await other.log(taskId, 0, ["foreign"])).toMatchObject(notFound);
      expect(await other.complete({ taskId, exitCode: 0, result: "foreign" })).toMatchObject(notFound);
      expect(await other.renew(taskId)).toEqual(await other.renew(crypto.randomUUID()));
      expect(await agent.complete({ taskId, exitCode: 0, result: "own" })).toMatchObject({ accepted: true });
      expect(await seeEnded(server, id)).toMatchObject({ steps: [{ output: "own" }], logs: [] });
      expect(other.offers).toEqual([]);
      await other.disconnect();
    },
  );

  test("is nobody's with an API token, whatever its role", async () => {
    await expect(
      new ScriptedAgent(server, { agentId: "", token: server.adminToken }).renew(crypto.randomUUID()),
    ).rejects.toThrow(/FORBIDDEN/);
  });

  test.each(["", "a\u0000b", "a\ud800b", "x".repeat(100_000), "00000000"])(
    "is not found under an id that is none: %#",
    async (taskId) => {
      expect(await agent.renew(taskId)).toMatchObject(notFound);
      expect(await agent.log(taskId, 0, [taskId])).toMatchObject(notFound);
      expect(await agent.complete({ taskId, exitCode: 0 })).toMatchObject(notFound);
    },
  );

  test("takes whatever text a script writes", async () => {
    const id = await execute(server, "walled");
    await expect.poll(() => agent.offers.some(({ runId }) => runId === id)).toBe(true);
    const taskId = agent.offers.find(({ runId }) => runId === id)?.taskId ?? "";
    await agent.log(taskId, 0, ["a\u0000b", "\ud800", "x".repeat(100_000)]);
    await agent.complete({ taskId, exitCode: 0, result: { "a\u0000": "\ud800" } });
    const run = await seeEnded(server, id);
    expect(run.steps[0]?.output).toEqual({ "a\ufffd": "\ufffd" });
    expect(run.logs.map((line) => Buffer.byteLength(line))).toEqual([5, 3, 8 * 1024]);
  });
});

describe("a secret", () => {
  const secret = "s3cret-of-the-agent-42";

  beforeAll(async () => {
    const parameters = [
      { name: "key", type: "secret", required: true },
      { name: "host", type: "string" },
    ];
    await registerAgentAction(server, { name: "secretive", agentId: agent.agentId, fields: { parameters } });
  });

  test("goes to the agent, and comes back nowhere", async () => {
    const id = await execute(server, "secretive", { key: secret, host: "h1" });
    await expect.poll(() => agent.offers.some(({ runId }) => runId === id)).toBe(true);
    const task = agent.offers.find(({ runId }) => runId === id)!;
    expect(task.parameters).toEqual({ key: secret, host: "h1" });
    expect(await dump()).not.toContain(secret);
    const { taskId } = task;
    const base64 = Buffer.from(secret).toString("base64");
    await agent.log(taskId, 0, [`key ${secret}`, base64, encodeURIComponent(secret)]);
    await agent.complete({
      taskId,
      exitCode: 1,
      result: { [secret]: [secret] },
      error: { code: secret, message: `bad ${secret}` },
    });
    const run = await seeEnded(server, id);
    expect(run.logs).toEqual(["key ***", "***", "***"]);
    expect(run.steps).toMatchObject([{ error: { code: "***", message: "bad ***" } }]);
    const all = await dump();
    for (const form of [secret, base64]) expect(all).not.toContain(form);
    expect(JSON.stringify(await see(server, id))).not.toContain(secret);
  });

  test("is erased when its task ends, however that is", async () => {
    const open = "select 1 from agent_task where sealed_parameters is not null and finished_at is not null";
    expect(await server.orm.em.fork().execute(open)).toEqual([]);
  });
});

/** All that is stored of runs and tasks. */
async function dump(): Promise<string> {
  const em = server.orm.em.fork();
  const tables = ["run", "run_event", "agent_task", "agent_task_line", "audit_entry"];
  return JSON.stringify(await Promise.all(tables.map((table) => em.execute(`select * from ${table}`))));
}

describe("a node whose clock is wrong", () => {
  test.each([-1, 1])("by %i hours enrols, offers, renews and ends by the database's", async (hours) => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + hours * 3_600_000 });
    try {
      const late = (await ScriptedAgent.enrol(server, server.adminToken, `clock ${hours}`)).connect();
      await registerAgentAction(server, { name: `clock${hours}`, agentId: late.agentId });
      const id = await execute(server, `clock${hours}`);
      await vi.waitUntil(() => late.offers.length === 1, { timeout: 20_000 });
      const { taskId, timeoutSeconds } = late.offers[0]!;
      expect(timeoutSeconds).toBe(300);
      expect(await late.renew(taskId)).toMatchObject({ cancelled: false });
      await late.complete({ taskId, exitCode: 0 });
      await vi.waitUntil(async () => (await see(server, id)).status === "SUCCEEDED", { timeout: 20_000 });
      await late.disconnect();
    } finally {
      vi.useRealTimers();
    }
  });
});
