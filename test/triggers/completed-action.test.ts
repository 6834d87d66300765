import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { Run, TriggerEvent } from "../../src/runs/entities.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";
import { execute, heldBack, type PlaybookFields, quiet, registerPlaybook, rowId, Vendor } from "./event-fixtures.ts";

let server: TestServer;
let vendor: Vendor;
beforeAll(async () => {
  server = await startTestServer();
  vendor = await Vendor.open();
});
const enabled: string[] = [];
afterEach(async () => {
  vendor.answerWith((_request, response) => response.end("{}"));
  for (const key of enabled.splice(0)) {
    await mutate(server, server.adminToken, "setPlaybookEnabled", "playbook { id }", { key, enabled: false });
  }
});
afterAll(async () => {
  await server.close();
  vendor.close();
});

const step = (action: string) => ({ id: action, name: action, type: "action", action_ref: action });
const endOf = (name: string) => ({ event: "action.completed", conditions: { "action.name": name } });

/** Registers a playbook that is disabled when the test is over. */
async function register(fields: PlaybookFields): Promise<void> {
  await registerPlaybook(server, fields);
  enabled.push(fields.key);
}

/** Runs of a playbook, oldest first. */
async function runsOf(key: string): Promise<Run[]> {
  const em = server.orm.em.fork();
  const [row] = await em.execute<{ id: string }[]>("select id from playbook where key = ?", [key]);
  return em.find(Run, { playbookId: row?.id ?? null }, { orderBy: { id: "asc" } });
}

function eventsOf(runId: string): Promise<TriggerEvent[]> {
  return server.orm.em.fork().find(TriggerEvent, { runId }, { orderBy: { id: "asc" } });
}

describe("an action that has ended", () => {
  test("starts what it triggers, with what it did as the context", async () => {
    await vendor.register(server, "told");
    await register({ key: "tell", event: "manual", steps: [step("told")] });
    await register({ key: "hear", ...endOf("told") });
    vendor.answerWith((_request, response) => response.end('{"blocked":true}'));
    const runId = await execute(server, "tell");
    await quiet(server);
    const [heard, ...more] = await runsOf("hear");
    const context = {
      action: { name: "told", version: "1.0.0", type: "containment" },
      run: { id: runId },
      step: "told",
      status: "succeeded",
      output: { blocked: true },
    };
    expect(heard).toMatchObject({ context, startedByKind: "SYSTEM", startedByName: "chain action.completed" });
    expect(heard?.chain).toMatchObject({ rootId: runId, depth: 1 });
    const [first] = await runsOf("tell");
    expect(heard?.startedById).toBe(first?.startedById);
    expect(more).toEqual([]);
    expect(await eventsOf(runId)).toMatchObject([{ key: `${runId} 1 told 1`, stepId: "told", data: context }]);
  });

  test("by itself, or in vain, is told as well", async () => {
    await vendor.register(server, "alone");
    await register({ key: "hear-alone", ...endOf("alone") });
    vendor.answerWith((_request, response) => response.writeHead(404).end());
    const { run } = await mutate<{ run: { id: string } }>(server, server.adminToken, "executeAction", "run { id }", {
      ref: "alone",
    });
    await quiet(server);
    const [heard] = await runsOf("hear-alone");
    expect(heard?.context).toMatchObject({ status: "failed", run: { id: rowId("Run", run.id) } });
    expect(heard?.chain).toEqual({ rootId: rowId("Run", run.id), depth: 1, playbookIds: [] });
  });

  test("is told once, with its last attempt", async () => {
    await vendor.register(server, "retried");
    await register({ key: "retry", event: "manual", steps: [{ ...step("retried"), max_retries: 2 }] });
    await register({ key: "hear-retry", ...endOf("retried") });
    let calls = 0;
    vendor.answerWith((_request, response) => {
      calls += 1;
      response.writeHead(calls < 3 ? 500 : 200).end("{}");
    });
    const runId = await execute(server, "retry");
    await quiet(server);
    expect((await eventsOf(runId)).map(({ key }) => key)).toEqual([`${runId} 1 retried 3`]);
    expect(await runsOf("hear-retry")).toHaveLength(1);
  });

  test("of which nobody wants to hear leaves no event", async () => {
    await vendor.register(server, "unheard");
    await register({ key: "unheard", event: "manual", steps: [step("unheard")] });
    await register({ key: "hear-another", ...endOf("another") });
    const runId = await execute(server, "unheard");
    await quiet(server);
    expect(await eventsOf(runId)).toEqual([]);
  });

  test("with an output too large for a context is told without it", async () => {
    await vendor.register(server, "large");
    await register({ key: "large", event: "manual", steps: [step("large")] });
    await register({ key: "hear-large", ...endOf("large") });
    vendor.answerWith((_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ text: "x".repeat(limits.contextBytesMax) }));
    });
    await execute(server, "large");
    await quiet(server);
    const [heard] = await runsOf("hear-large");
    expect(heard?.context).toMatchObject({ status: "succeeded", output: null, outputOmitted: true });
  });

  test("in a dry run is told to nobody", async () => {
    await vendor.register(server, "dry");
    await register({ key: "dry", event: "manual", steps: [step("dry")] });
    await register({ key: "hear-dry", ...endOf("dry") });
    const runId = await execute(server, "dry", { dryRun: true });
    await quiet(server);
    expect(await eventsOf(runId)).toEqual([]);
    expect(await runsOf("hear-dry")).toEqual([]);
  });
});

describe("a chain", () => {
  test("does not come back to where it has been, and its run says so", async () => {
    await vendor.register(server, "ping");
    await vendor.register(server, "pong");
    await register({ key: "pinger", ...endOf("pong"), steps: [step("ping")] });
    await register({ key: "ponger", ...endOf("ping"), steps: [step("pong")] });
    const runId = await execute(server, "pinger");
    await quiet(server);
    expect((await runsOf("pinger")).map(({ id }) => id)).toEqual([runId]);
    const [pong, ...more] = await runsOf("ponger");
    expect(more).toEqual([]);
    expect(await eventsOf(pong?.id ?? "")).toEqual([]);
    expect(await heldBack(server, pong?.id ?? "")).toEqual([
      "Not started by this completion: pinger; the chain has been through there, and nothing starts itself.",
    ]);
  });

  test("never starts its own playbook, though others follow", async () => {
    await vendor.register(server, "own");
    await register({ key: "narcissus", ...endOf("own"), steps: [step("own")] });
    await register({ key: "echo", ...endOf("own") });
    const runId = await execute(server, "narcissus");
    await quiet(server);
    expect(await runsOf("narcissus")).toHaveLength(1);
    expect(await runsOf("echo")).toHaveLength(1);
    expect(await heldBack(server, runId)).toEqual([expect.stringContaining("narcissus")]);
  });

  test(`ends after ${limits.chainDepthMax} completions`, async () => {
    const count = limits.chainDepthMax + 3;
    for (let depth = 0; depth < count; depth += 1) {
      await vendor.register(server, `deep-${depth}`);
      const event = depth === 0 ? { event: "manual" } : endOf(`deep-${depth - 1}`);
      await register({ key: `depth-${depth}`, ...event, steps: [step(`deep-${depth}`)] });
    }
    await execute(server, "depth-0");
    await quiet(server);
    const started = await Promise.all(Array.from({ length: count }, (_, depth) => runsOf(`depth-${depth}`)));
    expect(started.map((runs) => runs.length)).toEqual([...Array(limits.chainDepthMax + 1).fill(1), 0, 0]);
    const [last] = started[limits.chainDepthMax] ?? [];
    expect(last?.chain?.depth).toBe(limits.chainDepthMax);
    expect(await heldBack(server, last?.id ?? "")).toEqual([expect.stringContaining("16 completions deep")]);
  });

  test(`leads to ${limits.chainRunsMax} runs at most, and the rest is named`, async () => {
    const count = limits.chainRunsMax + 5;
    for (const name of ["wide", "gate", "later"]) await vendor.register(server, name);
    await register({ key: "width", event: "manual", steps: ["wide", "gate", "later"].map(step) });
    for (let index = 0; index < count; index += 1) await register({ key: `width-${index}`, ...endOf("wide") });
    await register({ key: "width-later", ...endOf("later") });
    let open: (() => void) | undefined;
    vendor.answerWith((request, response) => {
      if (request.url !== "/gate") response.end("{}");
      else open = () => void response.end("{}");
    });
    const runId = await execute(server, "width");
    // Held back where the event is dispatched, while the run goes on.
    await vi.waitUntil(async () => (await heldBack(server, runId)).length === 1, { timeout: 20_000 });
    open?.();
    await quiet(server);
    const started = await server.orm.em
      .fork()
      .find(Run, { eventId: { $in: (await eventsOf(runId)).map(({ id }) => id) } });
    expect(started).toHaveLength(limits.chainRunsMax);
    const [wide, later, ...more] = await heldBack(server, runId);
    expect(wide?.match(/width-\d+/g)).toHaveLength(count - limits.chainRunsMax);
    expect(wide).toContain(`${limits.chainRunsMax} runs already`);
    expect(later).toContain("width-later; the chain has led to");
    expect(more).toEqual([]);
  }, 120_000);
});

test("what triggers a run is found in its templates as in any event", async () => {
  await vendor.register(server, "templates");
  await register({ key: "template-root", event: "manual", steps: [step("templates")] });
  const expression = "{{ trigger.action.name }} == 'templates' and {{ trigger.status }} == 'succeeded'";
  const steps = [{ id: "check", name: "Check", type: "condition", expression }];
  await register({ key: "template-heir", ...endOf("templates"), steps });
  await execute(server, "template-root");
  await quiet(server);
  const [heir] = await runsOf("template-heir");
  const sql =
    "select body->'output' as output from run_event where run_id = ? and label = 'SUCCEEDED' and step_id = 'check'";
  const rows = await server.orm.em.fork().execute<{ output: JsonObject }[]>(sql, [heir?.id]);
  expect(rows).toEqual([{ output: { result: true } }]);
});
