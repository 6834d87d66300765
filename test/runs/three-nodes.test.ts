import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const endless = {
  name: "endless",
  version: "1.0.0",
  type: "enrichment",
  description: "Writes a line and waits.",
  parameters: [],
  executor: { type: "local", target: "endless.mjs" },
};
const quick = { ...endless, name: "quick", description: "Answers.", executor: { type: "local", target: "quick.sh" } };

const start = `mutation($input: ExecuteActionInput!) { executeAction(input: $input) {
  ... on ExecuteActionPayload { run { id } } ... on Failure { code message } } }`;
const follow = `subscription($id: ID!) { runEvents(runId: $id) { sequence ... on LogEvent { text } ... on RunStatusEvent { runStatus: status } } }`;

interface Seen {
  readonly runEvents: { readonly sequence: number; readonly text?: string; readonly runStatus?: string };
}

describe("three nodes on one PostgreSQL", () => {
  const nodes: TestServer[] = [];
  const [a, b, c] = [0, 1, 2].map((index) => () => nodes[index] as TestServer) as [
    () => TestServer,
    () => TestServer,
    () => TestServer,
  ];

  beforeAll(async () => {
    // The streams are counted here: where a host cannot isolate scripts, the log says so by one event more.
    const config = { LOCAL_ISOLATION: "off" } as const;
    const first = await startTestServer({ config });
    const others = [1, 2].map(() => startTestServer({ config, database: first.database }));
    nodes.push(first, ...(await Promise.all(others)));
    for (const [definition, path, content] of [
      [endless, "endless.mjs", 'console.error("waiting"); setInterval(() => {}, 1000);'],
      [quick, "quick.sh", "echo '{\"ok\":true}'"],
    ]) {
      await a()
        .client()
        .request("mutation($input: RegisterActionInput!) { registerAction(input: $input) { __typename } }", {
          input: { definition, files: [{ path, content }] },
        });
    }
  });
  afterAll(async () => {
    for (const node of nodes.toReversed()) await node.close();
  });

  async function startOn(node: TestServer, ref: string): Promise<string> {
    const answer = await node.client().request<{ executeAction: { run: { id: string } } }>(start, { input: { ref } });
    return answer.executeAction.run.id;
  }

  async function sequencesOn(node: TestServer, id: string): Promise<readonly number[]> {
    const sequences: number[] = [];
    for await (const { data } of node.subscribe<Seen>(node.adminToken, follow, { id })) {
      if (data) sequences.push(data.runEvents.sequence);
    }
    return sequences;
  }

  test("each shows every run as it goes, wherever it is", async () => {
    const ids = await Promise.all(nodes.flatMap((node) => Array.from({ length: 10 }, () => startOn(node, "quick"))));
    const streams = await Promise.all(ids.flatMap((id) => nodes.map((node) => sequencesOn(node, id))));
    for (const sequences of streams) expect(sequences).toEqual([1, 2, 3, 4].slice(0, sequences.length));
    const { runs } = await c()
      .client()
      .request<{ runs: { totalCount: number } }>(
        '{ runs(first: 1, filter: { action: "quick", status: [SUCCEEDED] }) { totalCount } }',
      );
    expect(runs.totalCount).toBe(ids.length);
  });

  test("a run of one is followed on another and cancelled from the third", async () => {
    const id = await startOn(a(), "endless");
    const statuses: string[] = [];
    for await (const { data } of b().subscribe<Seen>(b().adminToken, follow, { id })) {
      if (data?.runEvents.runStatus) statuses.push(data.runEvents.runStatus);
      if (data?.runEvents.text !== "waiting") continue;
      await c()
        .client()
        .request("mutation($input: CancelRunInput!) { cancelRun(input: $input) { __typename } }", {
          input: { id, reason: "enough" },
        });
    }
    expect(statuses).toEqual(["RUNNING", "CANCELLED"]);
  });

  test("what is disabled on one is refused on another", async () => {
    await startOn(b(), "quick");
    const disable = "mutation($input: SetActionEnabledInput!) { setActionEnabled(input: $input) { __typename } }";
    await a()
      .client()
      .request(disable, { input: { ref: "quick", enabled: false } });
    const answer = await b()
      .client()
      .request(start, { input: { ref: "quick" } });
    expect(answer).toMatchObject({ executeAction: { code: "action_disabled" } });
  });

  test("a node that stops leaves its runs to the others", async () => {
    const id = await startOn(a(), "endless");
    const first = nodes.shift() as TestServer;
    for await (const { data } of first.subscribe<Seen>(first.adminToken, follow, { id })) {
      if (data?.runEvents.text === "waiting") break;
    }
    await first.app.stop();
    let waits = 0;
    for await (const { data } of nodes[0]!.subscribe<Seen>(nodes[0]!.adminToken, follow, { id })) {
      if (data?.runEvents.text !== "waiting") continue;
      waits += 1;
      if (waits < 2) continue;
      await nodes[1]!
        .client()
        .request("mutation($input: CancelRunInput!) { cancelRun(input: $input) { __typename } }", { input: { id } });
    }
    expect(waits).toBe(2);
    nodes.push(first);
  });
});
