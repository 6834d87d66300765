import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ExecutePlaybookDocument, RunDetailDocument, type RunDetailQuery } from "../../client/generated/graphql.ts";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { localId } from "../../src/core/global-id.ts";
import { limits } from "../../src/core/limits.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { codesOf, mutate, send } from "../tenancy/strangers.ts";
import { type Call, catalogueOf, definitionOf, EngineWorld, echo, problemsOf, stepsOf } from "./engine-world.ts";
import { actionStep, approvalStep, conditionStep, delayStep, parallelSteps, planOf } from "./walk-driver.ts";

describe("a dry run on the engine", () => {
  let world: EngineWorld;
  const called: Call[] = [];
  const execute = (call: Call) => {
    called.push(call);
    return echo(call);
  };
  beforeAll(async () => {
    world = await EngineWorld.create();
  });
  afterEach(async () => {
    called.length = 0;
    await world.reset();
  });
  afterAll(() => world.close());

  async function dryRun(steps: Parameters<typeof planOf>[0], definitions: Record<string, ActionDefinition> = {}) {
    const refusing = {
      ...catalogueOf(definitions),
      files: () => Promise.reject(new Error("No file of a package is read in a dry run.")),
    };
    const engine = await world.engine(execute, { steps: { actions: refusing } });
    const birth = world.birth(planOf(steps), { dryRun: true, context: { finding: { ip: "10.0.0.7" } } });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    return { id: birth.id, events: await world.events(birth.id), run: await world.state(birth.id) };
  }

  const everything = [
    actionStep("look", { onSuccess: "fork", parameters: { value: "{{ finding.ip }}" } }),
    ...parallelSteps("fork", [actionStep("left"), approvalStep("right"), delayStep("nap")], { onSuccess: "wait" }),
    delayStep("wait", { onSuccess: "ask", durationMs: 86_400_000 }),
    approvalStep("ask", { onSuccess: "is-asked", timeoutMs: 1_000 }),
    conditionStep("is-asked", { expression: "{{ steps.ask.output.decision }} == 'approved'", onTrue: "act" }),
    actionStep("act", { parameters: { value: "{{ steps.look.output.id }}", text: "{{ steps.look.status }}" } }),
  ];

  test("walks every type of step at once, and never calls the port of the executors", async () => {
    const { id, events, run } = await dryRun(everything);
    expect(called).toEqual([]);
    expect(stepsOf(events)).toEqual([
      ..."look.1 SIMULATED,fork.1 RUNNING,left.1 SIMULATED,right.1 SIMULATED,nap.1 SIMULATED".split(","),
      ..."fork.1 SUCCEEDED,wait.1 SIMULATED,ask.1 SIMULATED,is-asked.1 SUCCEEDED,act.1 SIMULATED".split(","),
    ]);
    expect(run.status).toBe("SUCCEEDED");
    expect(await world.head(id)).toMatchObject({ simulated: 7, failed: 0 });
    const { rows } = await world.pool.query(
      "select (select count(*) from approval) + (select count(*) from trigger_event) as n",
    );
    expect(Number(rows[0].n)).toBe(0);
    expect(run.steps.get("wait")?.output).toEqual({ waitsMs: 86_400_000 });
    expect(run.steps.get("ask")?.output).toMatchObject({ decision: "approved", asks: [{ role: "admin" }] });
  });

  test("shows what can't be known as it is written, and says so", async () => {
    const { run } = await dryRun(everything);
    expect(run.steps.get("act")).toMatchObject({
      input: { value: "{{ steps.look.output.id }}", text: "simulated" },
      output: {
        request: { body: { value: "{{ steps.look.output.id }}", text: "simulated" } },
        unknown: ["value"],
      },
      warnings: ["steps.look.output.id is not known in a dry run."],
    });
  });

  test("decides nothing by what a simulation shows", async () => {
    const { run } = await dryRun([
      actionStep("look", { onSuccess: "c" }),
      conditionStep("c", { expression: "{{ steps.look.output.executor }} == 'remote'", onTrue: "yes", onFalse: "no" }),
      actionStep("yes"),
      actionStep("no"),
    ]);
    expect([...run.steps.keys()]).toEqual(["look", "c", "no"]);
    expect(run.steps.get("c")?.warnings).toContain("steps.look.output.executor is not known in a dry run.");
  });

  test("fails, skips and goes to a fallback as a production run does", async () => {
    const rules = [{ field: "{{ finding.ip }}", op: "eq", value: "1.1.1.1" }];
    const definitions = {
      strict: definitionOf("strict", { parameters: [{ name: "value", type: "integer", required: true }] }),
      choosy: definitionOf("choosy", { conditions: { operator: "and", rules } }),
    };
    const steps = [
      actionStep("choosy", { onSuccess: "strict" }),
      actionStep("strict", { parameters: { value: "{{ finding.ip }}" }, maxRetries: 3, onFailure: { step: "gone" } }),
      actionStep("gone", { actionId: "missing", onFailure: "continue", onSuccess: "end" }),
      actionStep("end"),
    ];
    const { run, events } = await dryRun(steps, definitions);
    expect(stepsOf(events)).toEqual(["choosy.1 SKIPPED", "strict.1 FAILED", "gone.1 FAILED", "end.1 SIMULATED"]);
    expect(run.steps.get("strict")?.error?.code).toBe("invalid_parameters");
    expect(run.steps.get("gone")?.error?.code).toBe("not_found");
    expect(called).toEqual([]);
  });

  test("keeps less of a call that is too large", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `p${index}`);
    const large = definitionOf("large", { parameters: names.map((name) => ({ name, type: "string" as const })) });
    const text = "x".repeat(limits.outputBytesMax / 16);
    const parameters = Object.fromEntries(names.map((name) => [name, text]));
    const { run } = await dryRun([actionStep("large", { parameters })], { large });
    expect(run.steps.get("large")).toMatchObject({
      status: "SIMULATED",
      output: { simulated: true, executor: "remote", tooLarge: true },
    });
  });
});

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
    server = await startTestServer();
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
