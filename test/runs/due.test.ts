import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";

interface Shown {
  readonly stepId: string;
  readonly status: string;
  readonly attempt: number;
  readonly at: string;
  readonly dueAt: string | null;
}

const query = `query ($id: ID!) { run(id: $id) {
  steps { stepId status attempt dueAt }
  events(first: 100) { edges { node { at ... on StepStatusEvent { stepId status attempt dueAt } } } } } }`;

describe("when a step that waits goes on by itself", () => {
  let server: TestServer;
  let vendor: Server;
  beforeAll(async () => {
    vendor = createServer((_request, response) => response.writeHead(503).end("{}"));
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    server = await startTestServer();
    const target = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/`;
    const definition = {
      ...{ name: "busy", version: "1.0.0", type: "enrichment", description: "Is busy.", parameters: [] },
      executor: { type: "remote", target },
    };
    await mutate(server, server.adminToken, "registerAction", "action { id }", { definition });
  });
  afterAll(async () => {
    await server.close();
    vendor.close();
  });

  test("is told by the step and by its events, with the attempt to come", async () => {
    const approvers = [{ role: "security_lead" }];
    const branches = [
      { id: "busy", action_ref: "busy", max_retries: 1, retry_delay: "1h" },
      { id: "delay", type: "delay", duration: "2h" },
      { id: "ask", type: "approval", approvers, timeout: "3h" },
      { id: "ask-long", type: "approval", approvers },
    ];
    const source = JSON.stringify({
      ...{ id: "waits", name: "Waits", version: "1.0.0", trigger: { event: "manual" } },
      steps: [{ id: "all", name: "All", type: "parallel", branches }],
    });
    await mutate(server, server.adminToken, "registerPlaybook", "playbook { id }", { source });
    const { run } = await mutate<{ run: { id: string } }>(server, server.adminToken, "executePlaybook", "run { id }", {
      key: "waits",
    });
    const seen = await vi.waitUntil(
      async () => {
        const answer = await server
          .client()
          .request<{ run: { steps: Shown[]; events: { edges: { node: Shown }[] } } }>(query, run);
        const waiting = answer.run.steps.filter(isWaiting);
        // Steps and events are read one after the other: something may have happened in between.
        const told = answer.run.events.edges.filter(({ node }) => isWaiting(node));
        return waiting.length === branches.length && told.length === branches.length && { waiting, ...answer.run };
      },
      { timeout: 20_000 },
    );
    const waits = seen.events.edges.map(({ node }) => node).filter(isWaiting);
    const hours = ({ at, dueAt }: Shown) => (dueAt === null ? null : (Date.parse(dueAt) - Date.parse(at)) / 3_600_000);
    const told = waits.map((event) => [event.stepId, event.attempt, Math.round(hours(event) ?? 0)]);
    expect(told.toSorted()).toEqual([
      ["ask", 1, 3],
      ["ask-long", 1, 0],
      ["busy", 2, 1],
      ["delay", 1, 2],
    ]);
    for (const { stepId, dueAt } of waits) {
      expect(seen.waiting.find((step) => step.stepId === stepId)?.dueAt).toBe(dueAt);
    }
  });
});

function isWaiting({ status }: Shown): boolean {
  return status === "WAITING";
}
