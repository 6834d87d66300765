import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeOf, subscribe } from "../graphql/raw-socket.ts";
import { execute, registerAgentAction, see, seeEnded } from "../opservant/agent-actions.ts";
import { ScriptedAgent } from "../opservant/scripted-agent.ts";
import type { TestServer } from "../support/server.ts";
import { type Customer, makeCustomer, refusalOf, setEnabled } from "./customers.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import { type IdentityServers, openIdentityServers } from "./identity-servers.ts";
import { openEvents, openSocket } from "./signed-in-streams.ts";
import { codesOf, send } from "./strangers.ts";

const updates = "subscription { runUpdates { cursor } }";

let servers: IdentityServers;
let provider: IdentityProvider;
let a: TestServer;
let b: TestServer;
let number = 0;

beforeAll(async () => {
  servers = await openIdentityServers("roles");
  ({ provider, first: a, second: b } = servers);
});
afterAll(() => servers.close());

const customer = () => makeCustomer(a, `customer ${++number}`);
const disable = ({ name: tenant }: Customer) => setEnabled(a, { tenant, enabled: false, reason: "Not paid." });
const enable = ({ name: tenant }: Customer) => setEnabled(a, { tenant, enabled: true });

describe("a caller of a disabled tenant", () => {
  test("is told so, on every node, with a token and with a JWT, until the tenant is enabled", async () => {
    const theirs = await customer();
    const jwt = await provider.sign({ tenant: theirs.name, roles: ["operator"], email: "ann@example.com" });
    for (const token of [theirs.token, jwt]) expect(await refusalOf(b, token)).toBeUndefined();
    expect(await disable(theirs)).toMatchObject({ name: theirs.name, disabledReason: "Not paid." });
    for (const token of [theirs.token, jwt]) {
      // At once where it was done.
      expect(await refusalOf(a, token)).toBe("TENANT_DISABLED");
      await expect.poll(() => refusalOf(b, token)).toBe("TENANT_DISABLED");
      const { errors } = await send(
        b,
        token,
        'mutation { emitEvent(input: { type: "finding.new", data: {} }) { __typename } }',
      );
      expect(errors).toMatchObject([{ message: expect.stringContaining("disabled") }]);
      // The reason is for who operates the server.
      expect(JSON.stringify(errors)).not.toContain("paid");
    }
    await enable(theirs);
    for (const token of [theirs.token, jwt]) {
      expect(await refusalOf(a, token)).toBeUndefined();
      await expect.poll(() => refusalOf(b, token)).toBeUndefined();
    }
  });

  test("finds in their own trail, which is whole, that and when it was, but not why or by whom", async () => {
    const theirs = await customer();
    await disable(theirs);
    await enable(theirs);
    const query = `{ verifyAudit { intact } auditEntries(filter: { operation: "setTenantEnabled" }) {
      edges { node { actor { kind name } subject detail } } } }`;
    const { data } = await send(a, theirs.token, query);
    const common = {
      actor: { kind: "SYSTEM", name: "who operates the server" },
      subject: `tenant:${theirs.tenantId}`,
    };
    expect(data).toEqual({
      verifyAudit: { intact: true },
      auditEntries: { edges: [true, false].map((enabled) => ({ node: { ...common, detail: { enabled } } })) },
    });
    const own = await send(a, a.adminToken, "{ verifyAudit { intact } }");
    expect(own.data).toEqual({ verifyAudit: { intact: true } });
  });

  test("is refused by what is no GraphQL too, and so are their events", async () => {
    const theirs = await customer();
    await disable(theirs);
    const headers = { authorization: `Bearer ${theirs.token}`, "content-type": "application/json" };
    const body = JSON.stringify({ type: "finding.new", data: { finding: { id: "f-1" } } });
    const posted = await fetch(a.url.replace("/graphql", "/events"), { method: "POST", headers, body });
    expect([posted.status, await posted.json()]).toMatchObject([403, { code: "tenant_disabled" }]);
    const exported = await fetch(a.url.replace("/graphql", "/api/audit/export"), { headers });
    expect([exported.status, await exported.json()]).toMatchObject([403, { code: "tenant_disabled" }]);
    const [{ count } = { count: -1 }] = await a.orm.em
      .fork()
      .execute<{ count: number }[]>("select count(*)::int as count from trigger_event where tenant_id = ?", [
        theirs.tenantId,
      ]);
    expect(count).toBe(0);
  });

  test("learns no more by a token that is none, and others go on", async () => {
    const [theirs, others] = [await customer(), await customer()];
    await disable(theirs);
    expect(await refusalOf(a, `${theirs.token}x`)).toBe("UNAUTHENTICATED");
    expect(await refusalOf(a, others.token)).toBeUndefined();
    expect(await refusalOf(a, a.adminToken)).toBeUndefined();
    expect(codesOf(await send(a, null, "{ viewer { name } }"))).toEqual(["UNAUTHENTICATED"]);
  });

  test("loses every open stream on every node, as with a revoked token", async () => {
    const theirs = await customer();
    const sockets = await Promise.all([a, b].map((at) => openSocket(at, theirs.token)));
    for (const client of sockets) client.say(subscribe("1", updates));
    const events = await Promise.all([a, b].map((at) => openEvents(at, theirs.token, updates)));
    await disable(theirs);
    for (const client of sockets) {
      expect(codeOf(await client.hear())).toBe("UNAUTHENTICATED");
      expect((await client.closed)[0]).toBe(4403);
    }
    for (const { text } of events) expect(await text).toContain("UNAUTHENTICATED");
    const again = await openSocket(b, theirs.token);
    again.say(subscribe("1", updates));
    expect(codeOf(await again.hear())).toBe("TENANT_DISABLED");
  });
});

describe("an agent of a disabled tenant", () => {
  test("is offered nothing, its connection ends, and what it was at ends with its run", async () => {
    const theirs = await customer();
    const owner = { ...a, client: (token: string | null = theirs.token) => a.client(token) };
    const agent = (await ScriptedAgent.enrol(a, theirs.token, "site")).at(b).connect();
    await registerAgentAction(owner, { name: "far", agentId: agent.agentId });
    const begun = await execute(owner, "far");
    await expect.poll(() => agent.offers.length).toBe(1);
    await agent.renew(agent.offers[0]!.taskId);
    await disable(theirs);
    await expect.poll(() => agent.ended, { timeout: 20_000 }).toBeDefined();
    const refused = agent.at(a).connect();
    await expect.poll(() => refused.ended).toContain("TENANT_DISABLED");
    await expect(agent.renew(agent.offers[0]!.taskId)).rejects.toThrow("disabled");
    const status = () => statusOf(a, theirs);
    await expect.poll(status, { timeout: 30_000 }).toEqual(["FAILED tenant_disabled"]);

    await enable(theirs);
    agent.connect();
    expect((await see(owner, begun)).status).toBe("FAILED");
    const id = await execute(owner, "far");
    await expect.poll(() => agent.offers.length, { timeout: 20_000 }).toBe(2);
    await agent.complete({ taskId: agent.offers[1]!.taskId, exitCode: 0, result: "back" });
    expect(await seeEnded(owner, id)).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "back" }] });
    await agent.disconnect();
  }, 90_000);

  test("does not enrol, as if the token were none", async () => {
    const theirs = await customer();
    const make =
      'mutation { createAgentEnrolment(input: { name: "late" }) { ... on CreateAgentEnrolmentPayload { enrolmentToken } } }';
    const made = (await a.client(theirs.token).request(make)) as { createAgentEnrolment: { enrolmentToken: string } };
    await disable(theirs);
    const enrol =
      "mutation ($input: EnrolAgentInput!) { enrolAgent(input: $input) { __typename ... on Failure { code } } }";
    const input = { token: made.createAgentEnrolment.enrolmentToken };
    expect((await send(a, null, enrol, { input })).data).toMatchObject({ enrolAgent: { code: "enrolment_invalid" } });
    await enable(theirs);
    expect((await send(a, null, enrol, { input })).data).toMatchObject({
      enrolAgent: { __typename: "EnrolAgentPayload" },
    });
  });
});

async function statusOf(server: TestServer, { tenantId }: Customer): Promise<string[]> {
  const sql = "select status, error_code from run where tenant_id = ? order by id";
  const rows = await server.orm.em.fork().execute<{ status: string; error_code: string | null }[]>(sql, [tenantId]);
  return rows.map(({ status, error_code: code }) => `${status} ${code}`);
}
