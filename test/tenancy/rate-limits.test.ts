import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { codeOf, connect, subscribe, terminateAll } from "../graphql/raw-socket.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { audience, type IdentityProvider, makeKey, openIdentityProvider } from "./identity-provider.ts";
import { mutate } from "./strangers.ts";

const viewer = "{ viewer { name } }";

let provider: IdentityProvider;
let server: TestServer;
beforeAll(async () => {
  provider = await openIdentityProvider(await makeKey());
  server = await startTestServer({
    config: {
      // So slow that nothing comes back while a test runs.
      RATE_LIMIT_PER_MINUTE: 1,
      RATE_LIMIT_BURST: 20,
      JWT_ISSUER: provider.issuer,
      JWT_AUDIENCE: [audience],
      JWT_JWKS_URL: provider.jwksUrl.href,
      JWT_TENANT: "default",
    },
  });
});
afterAll(async () => {
  terminateAll();
  await server.close();
  await provider.close();
});

async function post(token: string, path = "graphql", body: object = { query: viewer }) {
  const response = await fetch(server.url.replace("graphql", path), {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, retryAfter: response.headers.get("retry-after"), body: await response.json() };
}

async function makeOperator(name: string): Promise<string> {
  const input = { name, roles: ["operator"] };
  return (await mutate<{ token: string }>(server, server.adminToken, "createApiToken", "token", input)).token;
}

async function makeAgent(): Promise<string> {
  const made = await mutate<{ enrolmentToken: string }>(
    server,
    server.adminToken,
    "createAgentEnrolment",
    "enrolmentToken",
    { name: "an agent" },
  );
  const input = { token: made.enrolmentToken };
  return (await mutate<{ token: string }>(server, server.adminToken, "enrolAgent", "token", input)).token;
}

describe("a caller that asks too often", () => {
  test("is told to wait over every transport, and others are not", async () => {
    const [busy, other] = [await makeOperator("busy"), await makeOperator("other")];
    const client = await connect(server.wsUrl);
    client.say({ type: "connection_init", payload: { authorization: `Bearer ${busy}` } });
    await client.hear();
    client.say(subscribe("stream", "subscription { runUpdates { cursor } }"));
    // The socket and its stream were two of them.
    for (let count = 2; count < 20; count++) expect((await post(busy)).status).toBe(200);

    const refused = await post(busy);
    expect(refused).toMatchObject({ status: 429, body: { errors: [{ extensions: { code: "RATE_LIMITED" } }] } });
    expect(Number(refused.retryAfter)).toBeGreaterThan(50);
    const event = { type: "finding.new", data: {} };
    expect(await post(busy, "events", event)).toMatchObject({ status: 429, body: { code: "rate_limited" } });
    client.say(subscribe("query", viewer));
    const answer = await client.hear();
    expect([answer.id, answer.type, codeOf(answer)]).toEqual(["query", "error", "RATE_LIMITED"]);

    expect((await post(other)).status).toBe(200);
    // Its stream goes on.
    await post(other, "graphql", {
      query: 'mutation { emitEvent(input: { type: "finding.new", data: {} }) { __typename } }',
    });
    expect(client.socket.readyState).toBe(client.socket.OPEN);
  });

  test("is one person, whatever tokens they come with", async () => {
    for (let count = 0; count < 20; count++) {
      const jwt = await provider.sign({ sub: "busy", jti: `${count}` });
      expect((await post(jwt)).status).toBe(200);
    }
    expect((await post(await provider.sign({ sub: "busy" }))).status).toBe(429);
    expect((await post(await provider.sign({ sub: "idle" }))).status).toBe(200);
  });
});

describe("an address that guesses tokens", () => {
  test("is slowed, and who was let in before or comes with a JWT goes on", async () => {
    const known = await makeOperator("known");
    expect((await post(known)).status).toBe(200);
    await Promise.all(Array.from({ length: limits.failedSignInsBurst }, (_, n) => post(`rip_guess-${n}`)));
    // One comes back each second, which the next guess takes.
    const guess = () => post(`rip_${crypto.randomUUID()}`);
    await expect.poll(guess, { interval: 1 }).toMatchObject({ status: 429, retryAfter: "1" });
    expect((await post(known)).status).toBe(200);
    expect((await post(await provider.sign({ sub: "somebody" }))).status).toBe(200);
  });

  test("locks nobody out who comes there with a valid token for the first time, while it goes on", async () => {
    const [fresh, agent] = [await makeOperator("fresh"), await makeAgent()];
    const flood = Array.from({ length: limits.failedSignInsBurst + 20 }, (_, n) => post(`rip_more-${n}`));
    const refused = async () => (await post(`rip_${crypto.randomUUID()}`)).status;
    await expect.poll(refused, { interval: 1 }).toBe(429);
    expect((await post(fresh)).status).toBe(200);
    expect((await post(agent)).body).toEqual({ data: { viewer: { name: "an agent" } } });
    await Promise.all(flood);
  });
});
