import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ExecutePlaybookDocument, RunDetailDocument, type RunDetailQuery } from "../../client/generated/graphql.ts";
import { localId } from "../../src/core/global-id.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { codesOf, mutate, send } from "../tenancy/strangers.ts";

describe("executePlaybook with dryRun", () => {
  let server: TestServer;
  let vendor: Server;
  let directory: string;
  let mark: string;
  let connections = 0;

  beforeAll(async () => {
    vendor = createServer((_request, response) => response.end("{}")).on("connection", () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    directory = await mkdtemp(join(tmpdir(), "riposte-marks-"));
    mark = join(directory, "mark");
    // What a script touches is seen on the host itself.
    server = await startTestServer({ config: { LOCAL_ISOLATION: "off" } });
    await registerEverything();
  });
  afterEach(async () => {
    connections = 0;
    await rm(mark, { force: true });
  });
  afterAll(async () => {
    await server.close();
    vendor.closeAllConnections();
    vendor.close();
    await rm(directory, { recursive: true });
  });

  const admin = (name: string, selection: string, input: object) =>
    mutate(server, server.adminToken, name, selection, input);

  async function registerEverything(): Promise<void> {
    const { port } = vendor.address() as AddressInfo;
    const head = (name: string) => ({ name, version: "1.0.0", type: "containment", description: "Leaves a mark." });
    const remote = {
      ...head("post"),
      parameters: [
        { name: "host", type: "string", required: true },
        { name: "pin", type: "secret", required: true },
      ],
      executor: {
        type: "remote",
        target: `http://127.0.0.1:${port}/{{ parameters.pin }}/hosts`,
        headers: { "X-Pin": "pin={{ parameters.pin }}" },
      },
      output_mapping: { rule: "result.id" },
    };
    const local = {
      ...head("script"),
      parameters: [{ name: "file", type: "string", required: true }],
      executor: { type: "local", target: "touch.sh" },
    };
    await admin("registerAction", "action { id }", { definition: remote });
    await admin("registerAction", "action { id }", {
      definition: local,
      files: [{ path: "touch.sh", content: 'echo done > "$1"\necho "{}"\n' }],
    });
    await admin("putSecret", "secret { id }", { name: "pin", value: "7x" });
    await admin("registerPlaybook", "playbook { id }", { source: source("everything", "") });
    await admin("registerPlaybook", "playbook { id }", { source: source("asleep", "enabled: false") });
    await admin("registerPlaybook", "playbook { id }", { source: listener });
  }

  const source = (key: string, more: string) => `
id: ${key}
name: Everything
version: "1.0.0"
trigger: {event: manual}
${more}
steps:
  - {id: is-ours, name: Ours?, type: condition, expression: "{{ finding.ip }} in '10.0.0.0/8'", on_false: end}
  - id: both
    name: Both
    type: parallel
    branches:
      - {id: post, action_ref: post, parameters: {host: "{{ finding.ip }}"}}
      - {id: touch, action_ref: script, parameters: {file: "${mark}"}}
  - {id: wait, name: Wait, type: delay, duration: 4h}
  - {id: ask, name: Ask, type: approval, approvers: [{role: security_lead}], timeout: 2h}
  - {id: again, name: Again, type: action, action_ref: post, parameters: {host: "{{ steps.post.output.rule }}"}}
`;

  const listener = `
id: listener
name: Hears of every action
version: "1.0.0"
trigger: {event: action.completed}
steps:
  - {id: heard, name: Heard, type: condition, expression: "true"}
`;

  async function execute(input: object) {
    const given = { context: { finding: { ip: "10.1.2.3" } }, ...input } as never;
    return (await server.client().request(ExecutePlaybookDocument, { input: given })).executePlaybook;
  }

  async function ended(answer: Awaited<ReturnType<typeof execute>>): Promise<NonNullable<RunDetailQuery["run"]>> {
    if (answer.__typename !== "ExecutePlaybookPayload") throw new Error(JSON.stringify(answer));
    const { id } = answer.run;
    const follow = "subscription ($id: ID!) { runEvents(runId: $id) { sequence } }";
    for await (const { errors } of server.subscribe(server.adminToken, follow, { id })) expect(errors).toBeUndefined();
    const { run } = await server.client().request(RunDetailDocument, { id });
    if (!run) throw new Error(`Run ${id} is gone.`);
    return run;
  }

  const count = async (sql: string, runId: string) => {
    const [row] = await server.orm.em.fork().execute<{ n: number }[]>(sql, [localId("Run", runId)]);
    return row?.n;
  };
  const eventsOf = (id: string) => count("select count(*)::int as n from trigger_event where run_id = ?", id);
  const tracesOf = (id: string) =>
    count(
      `select ((select count(*) from approval where run_id = run.id)
      + (select count(*) from run_event where run_id = run.id and type = 'LOG'))::int as n from run where id = ?`,
      id,
    );

  test("opens no socket and starts no process, where a real run does both", async () => {
    const run = await ended(await execute({ key: "everything", dryRun: true }));
    expect([connections, existsSync(mark)]).toEqual([0, false]);
    expect(run).toMatchObject({ status: "SUCCEEDED", dryRun: true, simulatedStepCount: 5, failedStepCount: 0 });
    const real = await execute({ key: "everything" });
    if (real.__typename !== "ExecutePlaybookPayload") throw new Error(JSON.stringify(real));
    await expect.poll(() => [connections, existsSync(mark)], { timeout: 20_000 }).toEqual([1, true]);
    await expect.poll(() => eventsOf(real.run.id), { timeout: 20_000 }).toBe(2);
    expect(await eventsOf(run.id)).toBe(0);
    await admin("cancelRun", "run { id }", { id: real.run.id });
  });

  test("shows every call, with no secret in it however short", async () => {
    const { port } = vendor.address() as AddressInfo;
    const run = await ended(await execute({ key: "everything", dryRun: true }));
    expect(Object.fromEntries(run.steps.map(({ stepId, status, output }) => [stepId, [status, output]]))).toEqual({
      "is-ours": ["SUCCEEDED", { result: true }],
      both: ["SUCCEEDED", { branches: { post: "simulated", touch: "simulated" } }],
      post: ["SIMULATED", { simulated: true, executor: "remote", request: request(port, "10.1.2.3") }],
      touch: [
        "SIMULATED",
        { simulated: true, executor: "local", command: ["bash", "./touch.sh", mark], stdin: { file: mark } },
      ],
      wait: ["SIMULATED", { waitsMs: 14_400_000 }],
      ask: ["SIMULATED", { decision: "approved", decidedBy: null, comment: null, asks: [{ role: "security_lead" }] }],
      again: [
        "SIMULATED",
        {
          simulated: true,
          executor: "remote",
          request: request(port, "{{ steps.post.output.rule }}"),
          unknown: ["host"],
        },
      ],
    });
    expect(JSON.stringify(run)).not.toContain("7x");
    expect(await tracesOf(run.id)).toBe(0);
  });

  const request = (port: number, host: string) => ({
    method: "POST",
    url: `http://127.0.0.1:${port}/***/hosts`,
    headers: { "X-Pin": "pin=***" },
    body: { host },
  });

  test("works for a disabled playbook, whose production runs are refused", async () => {
    expect(await execute({ key: "asleep" })).toMatchObject({ code: "playbook_disabled" });
    expect(await ended(await execute({ key: "asleep", dryRun: true }))).toMatchObject({
      status: "SUCCEEDED",
      dryRun: true,
    });
  });

  test("tells a disabled action", async () => {
    await admin("setActionEnabled", "action { id }", { ref: "post", enabled: false });
    try {
      const run = await ended(await execute({ key: "everything", dryRun: true }));
      expect(run.steps.find(({ stepId }) => stepId === "post")?.error?.code).toBe("action_disabled");
      expect(run.status).toBe("FAILED");
    } finally {
      await admin("setActionEnabled", "action { id }", { ref: "post", enabled: true });
    }
  });

  test("under one idempotency key is the same run again, and no real run", async () => {
    const input = { key: "everything", idempotencyKey: "dry-1", context: { finding: { ip: "1.1.1.1" } } };
    const [first, second] = [await execute({ ...input, dryRun: true }), await execute({ ...input, dryRun: true })];
    expect(second).toEqual({ ...first, run: { id: "run" in first ? first.run.id : "", status: expect.anything() } });
    expect(await execute(input)).toMatchObject({ __typename: "ConflictFailure", code: "idempotency_conflict" });
  });

  test("needs the permission to execute", async () => {
    const { token } = (await admin("createApiToken", "token", { name: "val", roles: ["viewer"] })) as { token: string };
    const query = `mutation { executePlaybook(input: {key: "everything", dryRun: true}) { __typename } }`;
    expect(codesOf(await send(server, token, query))).toEqual(["FORBIDDEN"]);
  });
});
