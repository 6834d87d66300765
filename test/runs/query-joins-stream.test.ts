import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const definition = {
  name: "wait",
  version: "1.0.0",
  type: "enrichment",
  description: "Waits a little, saying so.",
  parameters: [],
  executor: { type: "local", target: "wait.mjs" },
};
const script = "for (let i = 0; i < 20; i += 1) { console.error(i); await new Promise((r) => setTimeout(r, 5)); }";

describe("Run.lastCursor", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
    await server
      .client()
      .request("mutation($input: RegisterActionInput!) { registerAction(input: $input) { __typename } }", {
        input: { definition, files: [{ path: "wait.mjs", content: script }] },
      });
  });
  afterAll(() => server.close());

  test("joins what a query answered to its stream: together they have every event once", async () => {
    const { executeAction } = await server
      .client()
      .request<{ executeAction: { run: { id: string } } }>(
        "mutation($input: ExecuteActionInput!) { executeAction(input: $input) { ... on ExecuteActionPayload { run { id } } } }",
        { input: { ref: "wait" } },
      );
    const { id } = executeAction.run;
    const seen = await server.client().request<{
      run: { lastCursor: string; events: { edges: { cursor: string; node: { sequence: number } }[] } };
    }>("query($id: ID!) { run(id: $id) { lastCursor events(first: 100) { edges { cursor node { sequence } } } } }", {
      id,
    });
    const { lastCursor, events } = seen.run;
    const shown = events.edges.findIndex(({ cursor }) => cursor === lastCursor) + 1;
    expect(shown).toBeGreaterThan(0);
    const streamed: number[] = [];
    const follow = "subscription($id: ID!, $after: String) { runEvents(runId: $id, after: $after) { sequence } }";
    for await (const { data } of server.subscribe<{ runEvents: { sequence: number } }>(server.adminToken, follow, {
      id,
      after: lastCursor,
    })) {
      if (data) streamed.push(data.runEvents.sequence);
    }
    const all = await server
      .client()
      .request<{ run: { events: { totalCount: number } } }>(
        "query($id: ID!) { run(id: $id) { events(first: 1) { totalCount } } }",
        { id },
      );
    const before = events.edges.slice(0, shown).map(({ node }) => node.sequence);
    expect([...before, ...streamed]).toEqual(
      Array.from({ length: all.run.events.totalCount }, (_, index) => index + 1),
    );
  });
});
