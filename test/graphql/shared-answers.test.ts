import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
/** By name: two viewers and an author of the first tenant, a viewer of another. */
const tokens = new Map<string, string>();

beforeAll(async () => {
  server = await startTestServer();
  const made = await server
    .client()
    .request<{ createTenant: { token: string } }>(
      `mutation { createTenant(input: { name: "rival" }) { ... on CreateTenantPayload { token } } }`,
    );
  await makeToken(server.adminToken, "ada", "viewer");
  await makeToken(server.adminToken, "bob", "viewer");
  await makeToken(server.adminToken, "eve", "author");
  await makeToken(made.createTenant.token, "rivals-ada", "viewer");
});
afterAll(() => server.close());

async function makeToken(by: string, name: string, role: string): Promise<void> {
  const { createApiToken } = await server.client(by).request<{ createApiToken: { token: string } }>(
    `mutation ($name: String!, $role: String!) {
      createApiToken(input: { name: $name, roles: [$role] }) { ... on CreateApiTokenPayload { token } }
    }`,
    { name, role },
  );
  tokens.set(name, createApiToken.token);
}

/** Asks as each of them at once, again and again; each one's answers. */
async function askedByAll(query: string): Promise<ReadonlyMap<string, readonly unknown[]>> {
  const names = [...tokens.keys()];
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => names)
      .flat()
      .map(async (name) => [name, await answerTo(name, query)] as const),
  );
  return new Map(names.map((name) => [name, answers.filter(([whose]) => whose === name).map(([, answer]) => answer)]));
}

async function answerTo(name: string, query: string): Promise<unknown> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${tokens.get(name)}` };
  const response = await fetch(server.url, { method: "POST", headers, body: JSON.stringify({ query }) });
  return response.json();
}

describe("many who ask the same at once", () => {
  test.each([
    ["who they are", "{ viewer { kind name roles } }"],
    ["who they are, under other names", "{ me: viewer { who: name } }"],
    ["who they are, in a fragment", "{ ...Me } fragment Me on Query { viewer { ... on Viewer { name } } }"],
    ["what they may do", "{ viewer { roles permissions } }"],
    ["whose tenant it is", "{ viewer { tenant { id name } } }"],
    ["for what some may not see", "{ secrets(first: 5) { edges { node { name } } } }"],
    ["for what all may see", "{ liveActions { capability vendorId configured } tenantSettings { allowSelfApproval } }"],
  ])("%s are answered as each is alone", async (_what, query) => {
    const alone = new Map<string, unknown>();
    for (const name of tokens.keys()) alone.set(name, await answerTo(name, query));
    for (const [name, answers] of await askedByAll(query)) {
      expect(answers).toEqual(Array(10).fill(alone.get(name)));
    }
  });

  test("each in their own tenant see what is there", async () => {
    const put = `mutation { putSecret(input: { name: "okta_domain", value: "x" }) { __typename } }`;
    await server.client().request(put);
    const query = "{ secrets(first: 5) { edges { node { name } } } }";
    for (const [name, answers] of await askedByAll(query)) {
      const text = JSON.stringify(answers);
      expect([name, text.includes("okta_domain")]).toEqual([name, name === "eve"]);
    }
  });

  test("see what they wrote themselves, each time", async () => {
    const query = "{ tenantSettings { allowSelfApproval newActionsStartDisabled } }";
    let isOver = false;
    const others = Array.from({ length: 4 }, async () => {
      while (!isOver) await server.client().request(query);
    });
    try {
      for (let n = 0; n < 20; n += 1) {
        const newActionsStartDisabled = n % 2 === 0;
        await server
          .client()
          .request(
            `mutation ($input: UpdateTenantSettingsInput!) { updateTenantSettings(input: $input) { __typename } }`,
            { input: { newActionsStartDisabled } },
          );
        expect(await server.client().request(query)).toMatchObject({ tenantSettings: { newActionsStartDisabled } });
      }
    } finally {
      isOver = true;
      await Promise.all(others);
    }
  });
});
