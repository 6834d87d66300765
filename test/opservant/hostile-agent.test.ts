import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { execute, registerAgentAction, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

let server: TestServer;
let agent: ScriptedAgent;
beforeAll(async () => {
  server = await startTestServer();
  agent = (await ScriptedAgent.enrol(server, server.adminToken, "hostile")).connect();
  await registerAgentAction(server, { name: "given", agentId: agent.agentId });
});
afterAll(async () => {
  await agent.disconnect();
  await server.close();
});

async function begin(): Promise<{ id: string; taskId: string }> {
  const id = await execute(server, "given");
  await expect.poll(() => agent.offers.some(({ runId }) => runId === id)).toBe(true);
  return { id, taskId: agent.offers.find(({ runId }) => runId === id)?.taskId ?? "" };
}

describe("an agent that does not keep to the protocol", () => {
  test("can't cancel a run that nobody has cancelled", async () => {
    const { id, taskId } = await begin();
    await agent.complete({ taskId, error: { code: "cancelled", message: "No." } });
    const error = { code: "cancelled", message: "No." };
    expect(await seeEnded(server, id)).toMatchObject({ status: "FAILED", steps: [{ status: "FAILED", error }] });
  });

  test("is one of fifty that come with one enrolment, and the only one that is let in", async () => {
    const making = `mutation { createAgentEnrolment(input: {name: "fifty"}) { ... on CreateAgentEnrolmentPayload { enrolmentToken } } }`;
    const { createAgentEnrolment: made } = await server
      .client()
      .request<{ createAgentEnrolment: { enrolmentToken: string } }>(making);
    const enrolling = `mutation($token: String!) { enrolAgent(input: {token: $token}) { __typename ... on Failure { code } } }`;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        server.client(null).request<{ enrolAgent: object }>(enrolling, { token: made.enrolmentToken }),
      ),
    );
    const refused = answers.filter(({ enrolAgent }) => "code" in enrolAgent);
    expect(refused).toHaveLength(49);
    expect(new Set(refused.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });
});
