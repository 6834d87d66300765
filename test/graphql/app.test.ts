import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { globalId } from "../../src/core/global-id.ts";
import { newId } from "../../src/core/ids.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function post(query: string, headers: Record<string, string> = {}, variables: Record<string, unknown> = {}) {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${server.adminToken}`, ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return response;
}

describe("the whole server", () => {
  test.each([
    ["{ runs(first: 0) { totalCount } }", "BAD_USER_INPUT"],
    ["{ runs(first: 101) { totalCount } }", "BAD_USER_INPUT"],
    ["{ runs(first: -1) { totalCount } }", "BAD_USER_INPUT"],
    ["{ runs(first: 1, last: 1) { totalCount } }", "BAD_USER_INPUT"],
    ['{ runs(after: "nonsense") { totalCount } }', "BAD_USER_INPUT"],
    // ["x"], as a cursor of actions has a name.
    ['{ runs(after: "WyJ4Il0") { totalCount } }', "BAD_USER_INPUT"],
    ["{ runs(first: 1000000000) { edges { node { id } } } }", "QUERY_TOO_EXPENSIVE"],
    ['{ node(id: "nonsense") { id } }', "BAD_USER_INPUT"],
  ])("answers %s with %s", async (query, code) => {
    expect(await (await post(query)).json()).toMatchObject({ errors: [{ extensions: { code } }] });
  });

  test("answers an id that is none alike, also where the same text was sent with a good one before", async () => {
    const query = "query ($id: ID!) { node(id: $id) { id } }";
    const answers: unknown[] = [];
    for (const id of ["nonsense", globalId("Run", newId()), "nonsense"]) {
      const response = await post(query, {}, { id });
      answers.push([response.status, await response.json()]);
    }
    expect(answers[0]).toMatchObject([200, { errors: [{ extensions: { code: "BAD_USER_INPUT" } }] }]);
    expect(answers[1]).toMatchObject([200, { data: { node: null } }]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test("pages when neither first nor last is given", async () => {
    expect(await (await post("{ runs { totalCount edges { cursor } } }")).json()).toEqual({
      data: { runs: { totalCount: 0, edges: [] } },
    });
  });

  test("refuses a stranger over every transport", async () => {
    const query = "subscription { runUpdates { cursor } }";
    const overSse = await post(query, { authorization: "Bearer wrong", accept: "text/event-stream" });
    expect(await overSse.text()).toContain("UNAUTHENTICATED");
    const { value: first } = await server.subscribe("wrong", query).next();
    expect(first).toMatchObject({ errors: [{ extensions: { code: "UNAUTHENTICATED" } }] });
    const overHttp = await post("{ viewer { name } }", { authorization: "Bearer wrong" });
    expect(await overHttp.json()).toMatchObject({ data: null, errors: [{ extensions: { code: "UNAUTHENTICATED" } }] });
  });

  test.each([
    ["definitions", "/api/actions/schema", "Action definition"],
    ["playbooks", "/api/playbooks/schema", "Playbook"],
  ])("serves the schema of %s to anybody, editors too", async (_what, path, title) => {
    const response = await fetch(new URL(path, server.url));
    expect(response.headers.get("content-type")).toBe("application/schema+json");
    expect(await response.json()).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema", title });
  });

  test("is ready with its database, migrations and engine", async () => {
    const response = await fetch(new URL("/ready", server.url));
    expect([response.status, await response.json()]).toEqual([
      200,
      { ready: true, checks: { database: true, migrations: true, engine: true, accepting: true } },
    ]);
  });
});
