import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AgentsDocument,
  CreateAgentEnrolmentDocument,
  EnrolAgentDocument,
  RevokeAgentDocument,
} from "../../client/generated/graphql.ts";
import { AuditEntry } from "../../src/audit/entities.ts";
import { EnrolmentTurnstile } from "../../src/opservant/enrolment-turnstile.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeStranger } from "../tenancy/strangers.ts";
import { execute, registerAgentAction, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function createEnrolment(input: { name: string; expiresAt?: string }, token = server.adminToken) {
  return (await server.client(token).request(CreateAgentEnrolmentDocument, { input })).createAgentEnrolment;
}

async function tokenFor(name: string): Promise<string> {
  const enrolment = await createEnrolment({ name });
  if (enrolment.__typename !== "CreateAgentEnrolmentPayload") throw new Error(enrolment.code);
  return enrolment.enrolmentToken;
}

async function enrol(token: string, version?: string) {
  const input = { token, ...(version === undefined ? {} : { version }) };
  return (await server.client(null).request(EnrolAgentDocument, { input })).enrolAgent;
}

async function revoke(agentId: string, token = server.adminToken) {
  return (await server.client(token).request(RevokeAgentDocument, { input: { agentId } })).revokeAgent;
}

async function agents(token = server.adminToken) {
  return (await server.client(token).request(AgentsDocument, {})).agents.edges.map(({ node }) => node);
}

const enrolled = "EnrolAgentPayload";

describe("an enrolment", () => {
  test("lets one agent in, once, though two come at the same time", async () => {
    const token = await tokenFor("twins");
    const both = await Promise.all([enrol(token), enrol(token)]);
    expect(both.filter(({ __typename }) => __typename === enrolled)).toHaveLength(1);
    expect((await agents()).filter(({ name }) => name === "twins")).toHaveLength(1);
  });

  test("answers alike where its token never was, was used, or is too old", async () => {
    const [used, old] = [await tokenFor("used"), await tokenFor("old")];
    await enrol(used);
    const em = server.orm.em.fork();
    await em.execute("update agent_enrolment set expires_at = now() - interval '1 second' where name = 'old'");
    const answers = [await enrol("rip_never"), await enrol(used), await enrol(old)];
    expect(answers[0]).toMatchObject({ __typename: "NotFoundFailure", code: "enrolment_invalid" });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  test("ends an hour from now, or when it says so within a week", async () => {
    const hour = 3_600_000;
    const byDefault = await createEnrolment({ name: "by default" });
    const leftMs = Date.parse((byDefault as { expiresAt: string }).expiresAt) - Date.now();
    expect(Math.abs(leftMs - hour)).toBeLessThan(60_000);
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    for (const expiresAt of [at(-hour), at(8 * 24 * hour)]) {
      expect(await createEnrolment({ name: "wrong", expiresAt })).toMatchObject({ __typename: "ValidationFailure" });
    }
    expect(await createEnrolment({ name: "right", expiresAt: at(6 * 24 * hour) })).toMatchObject({
      __typename: "CreateAgentEnrolmentPayload",
    });
    expect(await createEnrolment({ name: " " })).toMatchObject({ __typename: "ValidationFailure" });
  });

  test("gives no name twice, and gives it again when its agent was revoked", async () => {
    const [one, other] = [await tokenFor("named"), await tokenFor("named")];
    const agent = await enrol(one);
    expect(await enrol(other)).toMatchObject({ __typename: "StateFailure", code: "name_taken" });
    expect(await createEnrolment({ name: "named" })).toMatchObject({
      __typename: "ConflictFailure",
      code: "name_taken",
    });
    await revoke((agent as { agentId: string }).agentId);
    expect(await enrol(other)).toMatchObject({ __typename: enrolled });
  });

  test("keeps no token where it could be read", async () => {
    const token = await tokenFor("kept nowhere");
    const agent = (await enrol(token)) as { token: string };
    for (const table of ["agent", "agent_enrolment", "audit_entry"]) {
      const rows = JSON.stringify(await server.orm.em.fork().execute(`select * from ${table}`));
      expect(rows).not.toContain(token);
      expect(rows).not.toContain(agent.token);
    }
  });

  test("is tried only so often in a minute by those who have not signed in", () => {
    const turnstile = new EnrolmentTurnstile();
    const tries = Array.from({ length: 601 }, () => () => turnstile.pass());
    expect(() => {
      for (const one of tries) one();
    }).toThrow(/try again in a minute/);
  });
});

describe("an agent", () => {
  test("may do nothing but its own work", async () => {
    const agent = await ScriptedAgent.enrol(server, server.adminToken, "narrow");
    const client = server.client(agent.token);
    await expect(client.request(AgentsDocument, {})).rejects.toThrow(/FORBIDDEN/);
    await expect(client.request("{ actions { totalCount } }")).rejects.toThrow(/FORBIDDEN/);
    await expect(client.request("{ secrets { totalCount } }")).rejects.toThrow(/FORBIDDEN/);
    expect(await client.request("{ viewer { kind name roles permissions } }")).toEqual({
      viewer: { kind: "AGENT", name: "narrow", roles: ["agent"], permissions: ["agent:work"] },
    });
  });

  test("shows whether it is connected, of which version it is, and when it was heard of", async () => {
    const agent = await ScriptedAgent.enrol(server, server.adminToken, "seen");
    const seen = async () => (await agents()).find(({ name }) => name === "seen");
    expect(await seen()).toMatchObject({
      status: "DISCONNECTED",
      version: "0.0.1",
      lastSeenAt: null,
      agentId: agent.agentId,
    });
    agent.connect();
    await expect.poll(seen).toMatchObject({ status: "CONNECTED", lastSeenAt: expect.any(String) });
    await agent.disconnect();
    await expect.poll(seen).toMatchObject({ status: "DISCONNECTED", lastSeenAt: expect.any(String) });
    await revoke(agent.agentId);
    expect(await seen()).toMatchObject({ status: "REVOKED" });
  });

  test("is told nothing any more on an older connection when it connects again", async () => {
    const agent = (await ScriptedAgent.enrol(server, server.adminToken, "stolen")).connect();
    await expect.poll(async () => (await agents()).find(({ name }) => name === "stolen")?.status).toBe("CONNECTED");
    const thief = agent.at(server).connect();
    await expect.poll(() => agent.ended).toBe('"completed"');
    expect(thief.ended).toBeUndefined();
    await registerAgentAction(server, { name: "for-the-last", agentId: agent.agentId });
    const id = await execute(server, "for-the-last");
    await expect.poll(() => thief.offers.length).toBe(1);
    await thief.complete({ taskId: thief.offers[0]?.taskId ?? "", exitCode: 0 });
    await seeEnded(server, id);
    expect(agent.offers).toEqual([]);
    await thief.disconnect();
  });
});

describe("revoking an agent", () => {
  test("ends its connection, its token and its tasks", async () => {
    const agent = (await ScriptedAgent.enrol(server, server.adminToken, "ended")).connect();
    await registerAgentAction(server, { name: "interrupted", agentId: agent.agentId });
    const [taken, waiting] = [await execute(server, "interrupted"), await execute(server, "interrupted")];
    await expect.poll(() => agent.offers.length).toBe(2);
    const taskId = agent.offers.find(({ runId }) => runId === taken)?.taskId ?? "";
    await agent.renew(taskId);
    expect(await revoke(agent.agentId)).toEqual({ __typename: "RevokeAgentPayload", agentId: agent.agentId });
    await expect.poll(() => agent.ended).toBeDefined();
    for (const id of [taken, waiting]) {
      const run = await seeEnded(server, id);
      expect(run.steps).toMatchObject([{ status: "FAILED", error: { code: "agent_unavailable" } }]);
    }
    await expect(agent.complete({ taskId, exitCode: 0 })).rejects.toThrow(/UNAUTHENTICATED/);
    const later = await seeEnded(server, await execute(server, "interrupted"));
    expect(later.steps).toMatchObject([
      { error: { code: "agent_unavailable", message: expect.stringMatching(/revoked/) } },
    ]);
    expect(await revoke(agent.agentId)).toMatchObject({ __typename: "RevokeAgentPayload" });
    await agent.disconnect();
  });

  test("is audited, as are the enrolment and who has enrolled", async () => {
    const agent = await ScriptedAgent.enrol(server, server.adminToken, "audited");
    await revoke(agent.agentId);
    await revoke(agent.agentId);
    const entries = await server.orm.em
      .fork()
      .find(AuditEntry, { operation: { $like: "%gent%" } }, { orderBy: { id: "asc" } });
    const own = entries.filter(({ subject }) => subject === "agent:audited" || subject === `agent:${agent.agentId}`);
    expect(own.map(({ operation, actorKind, actorName }) => `${operation} ${actorKind} ${actorName}`)).toEqual([
      "createAgentEnrolment TOKEN ADMIN_TOKEN",
      "enrolAgent AGENT audited",
      "revokeAgent TOKEN ADMIN_TOKEN",
    ]);
  });
});

describe("another tenant", () => {
  test("sees none of it, and can end none of it", async () => {
    const agent = await ScriptedAgent.enrol(server, server.adminToken, "not yours");
    const stranger = await makeStranger(server, "stranger");
    expect(await agents(stranger)).toEqual([]);
    expect(await revoke(agent.agentId, stranger)).toMatchObject({ __typename: "NotFoundFailure" });
    expect((await agents()).find(({ name }) => name === "not yours")?.status).toBe("DISCONNECTED");
  });
});
