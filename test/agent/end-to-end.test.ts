import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRunning } from "../executors/scripts.ts";
import { cancel, execute, see, seeEnded } from "../opservant/agent-actions.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { agentOf, connectedAgent, enrolment, registerScript, revoke } from "./agent-office.ts";
import { type AgentMachine, type AgentProcess, createAgentMachine } from "./agent-process.ts";

describe("an action on an enrolled agent", () => {
  let server: TestServer;
  let machine: AgentMachine;
  let agent: AgentProcess;
  let agentId: string;
  beforeAll(async () => {
    server = await startTestServer();
    machine = await createAgentMachine();
    agent = machine.start("--server", server.app.url, "--token", await enrolment(server, "site"));
    ({ agentId } = await connectedAgent(server, "site"));
  });
  afterAll(async () => {
    await machine.remove();
    await server.close();
  });

  test("runs there, with its log and its result in the run", async () => {
    const script =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
      'echo "Checking $1" >&2; echo "{\\"host\\": \\"$1\\", \\"length\\": ${#PARAM_API_KEY}, \\"args\\": $#}"';
    const parameters = [
      { name: "host", type: "string", required: true, description: "Which." },
      { name: "api_key", type: "secret", required: true, description: "Key." },
    ];
    await registerScript(server, { name: "patch-check", agentId, script, parameters });
    const run = await seeEnded(server, await execute(server, "patch-check", { host: "db 1", api_key: "canary-0123" }));
    expect(run).toMatchObject({
      status: "SUCCEEDED",
      steps: [{ status: "SUCCEEDED", output: { host: "db 1", length: 11, args: 1 } }],
      logs: ["Checking db 1"],
    });
    expect(await agentOf(server, "site")).toMatchObject({ status: "CONNECTED", version: "0.1.0" });
  });

  test("that prints its secret shows it nowhere", async () => {
    const script =
      'echo "key $PARAM_API_KEY" >&2; echo "{\\"error\\": {\\"code\\": 7, \\"message\\": \\"with $PARAM_API_KEY\\"}}"; exit 4';
    const parameters = [{ name: "api_key", type: "secret", required: true, description: "Key." }];
    await registerScript(server, { name: "leak", agentId, script, parameters });
    const run = await seeEnded(server, await execute(server, "leak", { api_key: "canary-4567" }));
    expect(JSON.stringify(run)).not.toContain("canary");
    expect(run).toMatchObject({
      status: "FAILED",
      steps: [{ error: { code: "7", message: expect.stringMatching(/^with .*\*/) } }],
    });
    expect(agent.said()).not.toContain("canary");
  });

  test("is ended on the agent when its run is cancelled, and at its timeout", async () => {
    const script = "sleep 600 & echo $! >&2; wait";
    await registerScript(server, { name: "endless", agentId, script });
    await registerScript(server, { name: "short", agentId, script, fields: { timeout_seconds: 2 } });
    const cancelled = await execute(server, "endless");
    await expect.poll(async () => (await see(server, cancelled)).logs.length).toBe(1);
    await cancel(server, cancelled);
    const first = await seeEnded(server, cancelled);
    const second = await seeEnded(server, await execute(server, "short"));
    expect([first.status, second.status]).toEqual(["CANCELLED", "TIMED_OUT"]);
    expect(second.steps).toMatchObject([{ status: "TIMED_OUT", error: { code: "timed_out" } }]);
    await expect.poll(() => [...first.logs, ...second.logs].map(Number).filter(isRunning)).toEqual([]);
  });

  test("runs many at once, each once", async () => {
    await registerScript(server, { name: "many", agentId, script: 'sleep 0.2; echo "[$1]"', parameters: [number] });
    const ids = await Promise.all(Array.from({ length: 30 }, (_each, n) => execute(server, "many", { n })));
    const runs = await Promise.all(ids.map((id) => seeEnded(server, id)));
    expect(runs.map(({ steps }) => steps[0]?.output)).toEqual(ids.map((_id, n) => [n]));
    expect(agent.said().match(/Runs many@1\.0\.0/g)).toHaveLength(30);
    expect(readdirSync(`${machine.state}/work`)).toEqual([]);
  });

  test("fails once its agent is revoked, which ends there with its scripts", async () => {
    await registerScript(server, { name: "until-revoked", agentId, script: "sleep 600 & echo $! >&2; wait" });
    const id = await execute(server, "until-revoked");
    await expect.poll(async () => (await see(server, id)).logs.length).toBe(1);
    await revoke(server, agentId);
    expect(await agent.exited).toBe(3);
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ status: "FAILED", steps: [{ error: { code: "agent_unavailable" } }] });
    await expect.poll(() => run.logs.map(Number).filter(isRunning)).toEqual([]);
    expect(agent.said()).toMatch(/does not accept this agent/);
  });
});

const number = { name: "n", type: "integer", required: true, description: "A number." };
