import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const executeAction = `mutation($input: ExecuteActionInput!) { executeAction(input: $input) { __typename
  ... on ExecuteActionPayload { run { id } } ... on ValidationFailure { issues { path code } } ... on Failure { code message } } }`;
const executePlaybook = `mutation($input: ExecutePlaybookInput!) { executePlaybook(input: $input) { __typename
  ... on ExecutePlaybookPayload { run { id } } ... on Failure { code message } } }`;
const detail = `query($id: ID!) { run(id: $id) { status failedStepCount error { code }
  steps { stepId status attempt input output error { code } actionVersion { version } } } }`;
const follow = "subscription($id: ID!) { runEvents(runId: $id) { sequence } }";

interface Answer {
  readonly __typename: string;
  readonly run: { readonly id: string };
  readonly issues: readonly { path: string; code: string }[];
  readonly code: string;
}
interface Detail {
  readonly status: string;
  readonly failedStepCount: number;
  readonly steps: readonly {
    stepId: string;
    status: string;
    attempt: number;
    input: Record<string, unknown>;
    output: unknown;
    error: { code: string } | null;
  }[];
}

describe("executing", () => {
  let server: TestServer;
  let vendor: Server;
  let base: string;
  const bodies: Record<string, unknown>[] = [];
  const keys: string[] = [];
  let failures = 0;

  beforeAll(async () => {
    vendor = createServer(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += chunk;
      bodies.push(JSON.parse(text || "{}"));
      keys.push(String(request.headers["idempotency-key"]));
      if (failures > 0) {
        failures -= 1;
        response.statusCode = 503;
      }
      response.end(JSON.stringify({ status: "done", data: { id: 7 } }));
    });
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;
    server = await startTestServer();
    await register({
      name: "count",
      version: "1.0.0",
      type: "enrichment",
      description: "Takes an integer.",
      parameters: [
        { name: "hours", type: "integer", required: true, validation: { min: 1, max: 720 } },
        { name: "note", type: "string" },
      ],
      executor: { type: "remote", target: `${base}/count` },
      output_mapping: { vendor_id: "result.data.id" },
      retry: { max_attempts: 2, backoff_seconds: 0 },
    });
    await register({
      name: "page-on-call",
      version: "1.0.0",
      type: "notification",
      description: "The fallback.",
      parameters: [],
      executor: { type: "remote", target: `${base}/page` },
    });
  });

  beforeEach(() => {
    bodies.length = 0;
    keys.length = 0;
    failures = 0;
  });

  afterAll(async () => {
    await server.close();
    vendor.closeAllConnections();
    vendor.close();
  });

  async function register(definition: object): Promise<void> {
    const { registerAction } = await server
      .client()
      .request<{ registerAction: object }>(
        `mutation($input: RegisterActionInput!) { registerAction(input: $input) { __typename ... on ValidationFailure { issues { path message } } } }`,
        { input: { definition } },
      );
    expect(registerAction).toEqual({ __typename: "RegisterActionPayload" });
  }

  async function registerPlaybook(source: string): Promise<void> {
    const { registerPlaybook: answer } = await server
      .client()
      .request<{ registerPlaybook: object }>(
        `mutation($input: RegisterPlaybookInput!) { registerPlaybook(input: $input) { __typename ... on ValidationFailure { issues { path line message } } } }`,
        { input: { source } },
      );
    expect(answer).toEqual({ __typename: "RegisterPlaybookPayload" });
  }

  async function start(input: object): Promise<Answer> {
    return (await server.client().request<{ executeAction: Answer }>(executeAction, { input })).executeAction;
  }

  async function ended(id: string): Promise<Detail> {
    for await (const { errors } of server.subscribe(server.adminToken, follow, { id })) expect(errors).toBeUndefined();
    return (await server.client().request<{ run: Detail }>(detail, { id })).run;
  }

  async function play(key: string, context: object): Promise<Detail> {
    const answer = await server
      .client()
      .request<{ executePlaybook: Answer }>(executePlaybook, { input: { key, context } });
    expect(answer.executePlaybook.__typename).toBe("ExecutePlaybookPayload");
    return ended(answer.executePlaybook.run.id);
  }

  test.each([["24"], [24.5], [true], [null], [[24]], [0], [721]])(
    "refuses %j for an integer and never calls the executor",
    async (hours) => {
      const answer = await start({ ref: "count", parameters: { hours } });
      expect(answer.__typename).toBe("ValidationFailure");
      expect(answer.issues.map(({ path }) => path)).toContain("$.parameters.hours");
      expect(bodies).toEqual([]);
      const { runs } = await server
        .client()
        .request<{ runs: { totalCount: number } }>("{ runs(first: 1) { totalCount } }");
      expect(runs.totalCount).toBe(0);
    },
  );

  test("answers the run of the same idempotency key, and refuses it for other input", async () => {
    const first = await start({ ref: "count", parameters: { hours: 24 }, idempotencyKey: "k1" });
    const again = await start({ ref: "count", parameters: { hours: 24 }, idempotencyKey: "k1" });
    const other = await start({ ref: "count", parameters: { hours: 25 }, idempotencyKey: "k1" });
    expect(again.run.id).toBe(first.run.id);
    expect(other).toMatchObject({ __typename: "ConflictFailure", code: "idempotency_conflict" });
    await ended(first.run.id);
    expect(bodies).toEqual([{ hours: 24 }]);
  });

  test("answers the run of the same idempotency key also once the action is disabled", async () => {
    const input = { ref: "count", parameters: { hours: 24 }, idempotencyKey: "k2" };
    const first = await start(input);
    await ended(first.run.id);
    const enable = (enabled: boolean) =>
      server
        .client()
        .request(`mutation { setActionEnabled(input: {ref: "count", enabled: ${enabled}}) { __typename } }`);
    await enable(false);
    try {
      expect((await start(input)).run.id).toBe(first.run.id);
      expect(await start({ ...input, idempotencyKey: "k3" })).toMatchObject({ code: "action_disabled" });
    } finally {
      await enable(true);
    }
  });

  test("refuses a disabled playbook, and fails a step whose exact version was withdrawn since", async () => {
    const plain = { type: "enrichment", description: "Asks.", parameters: [] };
    const executor = { type: "remote", target: base };
    await register({ ...plain, name: "fickle", version: "1.0.0", executor });
    await registerPlaybook(`
id: exact
name: Exact
version: "1.0.0"
trigger: { event: manual }
steps:
  - { id: ask, name: Ask, type: action, action_ref: fickle@1.0.0 }
`);
    const withdraw = `mutation { withdrawActionVersion(input: {ref: "fickle", version: "1.0.0", reason: "bad"}) { __typename } }`;
    await server.client().request(withdraw);
    expect(await play("exact", {})).toMatchObject({
      status: "FAILED",
      steps: [{ status: "FAILED", attempt: 1, error: { code: "version_withdrawn" } }],
    });
    expect(bodies).toEqual([]);
    const disable = `mutation { setPlaybookEnabled(input: {key: "exact", enabled: false}) { __typename } }`;
    await server.client().request(disable);
    const input = { key: "exact" };
    expect(await server.client().request(executePlaybook, { input })).toMatchObject({
      executePlaybook: { __typename: "StateFailure", code: "playbook_disabled" },
    });
  });

  test("reads the steps of a page of runs with as many statements as those of one run", async () => {
    for (let count = 0; count < 4; count++)
      await ended((await start({ ref: "count", parameters: { hours: 24 } })).run.id);
    const statements = vi.spyOn(server.requests.em.getConnection(), "execute");
    const countFor = async (first: number) => {
      statements.mockClear();
      const query = "query($first: Int!) { runs(first: $first) { edges { node { steps { stepId status } } } } }";
      const { runs } = await server
        .client()
        .request<{ runs: { edges: { node: { steps: unknown[] } }[] } }>(query, { first });
      expect(runs.edges.map(({ node }) => node.steps)).toEqual(
        Array(first).fill([{ stepId: "action", status: "SUCCEEDED" }]),
      );
      // The sign-in is looked up now and then, and so are events and schedules.
      const texts = statements.mock.calls.map(([sql]) => JSON.stringify(sql));
      return texts.filter((text) => /run|action/.test(text) && !/trigger_event|schedule/.test(text)).length;
    };
    const ofOne = await countFor(1);
    expect(ofOne).toBeGreaterThan(0);
    expect(await countFor(4)).toBe(ofOne);
    statements.mockRestore();
  });

  test("a run of one action is tried as its retry policy says, with one Idempotency-Key", async () => {
    failures = 1;
    const run = await ended((await start({ ref: "count", parameters: { hours: 24 } })).run.id);
    expect(run).toMatchObject({
      status: "SUCCEEDED",
      steps: [{ attempt: 2, output: { status: "done", vendor_id: 7 } }],
    });
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  test("a playbook keeps the type of a lone template, reads hyphenated paths, and runs no fallback after a success", async () => {
    await registerPlaybook(`
id: types
name: Types
version: "1.0.0"
trigger: { event: manual }
on_failure: abort
steps:
  - id: first-count
    name: First
    type: action
    action_ref: count
    parameters: { hours: "{{ finding.hours }}", note: "for {{ finding.id }}" }
    on_failure: escalate
  - id: escalate
    name: Escalate
    type: action
    action_ref: page-on-call
  - id: second
    name: Second
    type: action
    action_ref: count@1.0
    parameters: { hours: "{{ steps.first-count.output.vendor_id }}" }
`);
    const run = await play("types", { finding: { id: "f1", hours: 24 } });
    expect(bodies).toEqual([{ hours: 24, note: "for f1" }, { hours: 7 }]);
    expect(run.status).toBe("SUCCEEDED");
    expect(run.steps.map(({ stepId, status }) => [stepId, status])).toEqual([
      ["first-count", "SUCCEEDED"],
      ["escalate", "SKIPPED"],
      ["second", "SUCCEEDED"],
    ]);
  });

  test("a violation in a playbook fails the step without a retry and goes to its fallback", async () => {
    const run = await play("types", { finding: { id: "f2", hours: "24" } });
    expect(run.steps[0]).toMatchObject({ status: "FAILED", attempt: 1, error: { code: "invalid_parameters" } });
    expect(run.steps[1]).toMatchObject({ status: "SUCCEEDED" });
    expect(bodies[0]).toEqual({});
  });

  test("does not find what is not there", async () => {
    expect(await start({ ref: "nothing" })).toMatchObject({ __typename: "NotFoundFailure" });
    expect(await start({ ref: "count@9.9.9", parameters: { hours: 1 } })).toMatchObject({
      __typename: "NotFoundFailure",
    });
  });
});
