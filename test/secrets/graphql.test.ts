import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
const canary = "hunter2-canary-4711";

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function send(query: string, variables: unknown = {}): Promise<string> {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${server.adminToken}` },
    body: JSON.stringify({ query, variables }),
  });
  return response.text();
}
const document = `mutation PutSecret($input: PutSecretInput!) {
  putSecret(input: $input) { __typename ... on PutSecretPayload { secret { id name updatedAt } } ... on Failure { code message } }
}`;

describe("the API", () => {
  test("quotes the value of a secret in no answer to a wrong request", async () => {
    const wrong = [
      { input: { name: "x", value: { password: canary } } },
      { input: { name: "x", value: [canary] } },
      { input: { name: { [canary]: 1 }, value: canary } },
      { input: { name: canary, value: canary, extra: canary } },
      { input: canary },
      { input: [{ name: "x", value: canary }, canary] },
      canary,
      { input: { name: `${canary} `, value: canary } },
      { input: { value: canary } },
    ];
    for (const variables of wrong) {
      const answer = await send(document, variables);
      expect(answer).toMatch(/"errors"|ValidationFailure/);
      expect(answer).not.toContain(canary);
    }
    const inline = [
      "{value:$}",
      "[$]",
      "{name: $}",
      "$",
      `{name: "x", value: {a: $}}`,
      `{name: "x", value: [$], other: $}`,
    ];
    for (const input of inline) {
      const answer = await send(
        `mutation { putSecret(input: ${input.replaceAll("$", `"${canary}"`)}) { __typename } }`,
      );
      expect(answer).toContain('"errors"');
      expect(answer).not.toContain(canary);
    }
    const answer = await send(`mutation { putSecret(input: {name: "x", value: "${canary}) { __typename } }`);
    expect(answer).toContain('"errors"');
    expect(answer).not.toContain(canary);
  });

  test("answers everything about a secret but its value", async () => {
    const put = await send(document, { input: { name: "answered", value: canary } });
    const { data } = JSON.parse(put) as { data: { putSecret: { secret: { id: string } } } };
    const list = await send(
      "{ secrets(first: 10) { totalCount edges { node { id name createdAt updatedAt lastUsedAt } } } }",
    );
    const node = await send(
      "query ($id: ID!) { node(id: $id) { __typename id ... on Secret { name } } }",
      data.putSecret.secret,
    );
    const fields = await send('{ __type(name: "Secret") { fields { name } } }');
    expect(JSON.parse(node)).toEqual({
      data: { node: { __typename: "Secret", id: data.putSecret.secret.id, name: "answered" } },
    });
    expect(list).toContain('"name":"answered"');
    expect(fields).not.toMatch(/value|sealed|key/i);
    expect(put + list + node).not.toContain(canary);
  });

  test("pages through secrets and variables by name, both ways", async () => {
    for (const name of ["b", "a", "c", "D"]) {
      await send("mutation ($input: PutVariableInput!) { putVariable(input: $input) { __typename } }", {
        input: { name, value: name },
      });
    }
    const page = async (args: string) => {
      const answer = await send(
        `{ variables(${args}) { totalCount pageInfo { hasNextPage endCursor } edges { node { name } } } }`,
      );
      return (JSON.parse(answer) as { data: { variables: VariablePage } }).data.variables;
    };
    const all = (await page("first: 4")).edges.map(({ node }) => node.name);
    expect(all.toSorted()).toEqual(["D", "a", "b", "c"]);
    const first = await page("first: 3");
    expect([first.totalCount, first.pageInfo.hasNextPage]).toEqual([4, true]);
    const rest = await page(`first: 3, after: "${first.pageInfo.endCursor}"`);
    expect([...first.edges, ...rest.edges].map(({ node }) => node.name)).toEqual(all);
    expect((await page("last: 2")).edges.map(({ node }) => node.name)).toEqual(all.slice(2));
    expect((await page(`last: 2, before: "${first.pageInfo.endCursor}"`)).edges.map(({ node }) => node.name)).toEqual(
      all.slice(0, 2),
    );
    const bad = Buffer.from(JSON.stringify(["\u0000"])).toString("base64url");
    expect(await send(`{ variables(after: "${bad}") { totalCount } }`)).toContain("BAD_USER_INPUT");
  });
});

interface VariablePage {
  totalCount: number;
  pageInfo: { hasNextPage: boolean; endCursor: string };
  edges: { node: { name: string } }[];
}
