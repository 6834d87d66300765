import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { Run, TriggerEvent } from "../../src/runs/entities.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeStranger, mutate } from "../tenancy/strangers.ts";
import { emit, keysOf, registerPlaybook, rowId } from "./event-fixtures.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** An event that triggers one playbook, which is there for it alone. */
async function triggering(name: string, fields: { readonly version?: string; readonly enabled?: boolean } = {}) {
  await registerPlaybook(server, { key: name, conditions: { "finding.id": name }, ...fields });
  return { key: `key-${name}`, data: { finding: { id: name } } };
}

function rowsOf(eventId: string): Promise<Run[]> {
  return server.orm.em.fork().find(Run, { eventId: rowId("TriggerEvent", eventId) });
}

describe("an event", () => {
  test("starts the playbooks that it triggers, and no other", async () => {
    for (const [key, event, severity] of [
      ["start-a", "finding.new", "critical"],
      ["start-b", "finding.new", { $in: ["high", "critical"] }],
      ["start-c", "finding.new", "low"],
      ["start-d", "finding.status_changed", "critical"],
    ] as const) {
      await registerPlaybook(server, { key, event, conditions: { severity, origin: "start" } });
    }
    const data = { finding: { severity: "critical", origin: "start" } };
    const answer = await emit(server, { data, at: "2026-01-31T09:30:00Z" });
    expect(answer).toMatchObject({ __typename: "EmitEventPayload", event: { type: "finding.new" } });
    expect(keysOf(answer)).toEqual(["start-a", "start-b"]);
    for (const row of await rowsOf(answer.event.id)) {
      expect(row).toMatchObject({ context: data, startedByKind: "SYSTEM", startedByName: "event finding.new" });
    }
    const event = await server.orm.em.fork().findOneOrFail(TriggerEvent, rowId("TriggerEvent", answer.event.id));
    expect(event).toMatchObject({ at: new Date("2026-01-31T09:30:00Z"), data, dispatchedAt: expect.any(Date) });
  });

  test("that triggers nothing is received all the same", async () => {
    const answer = await emit(server, { type: "scan.failed", data: { scan: { id: "none" } } });
    expect(answer).toMatchObject({ __typename: "EmitEventPayload", runs: [] });
  });

  test("is the same however often it comes, and answers what it started the first time", async () => {
    const event = await triggering("again");
    const first = await emit(server, event);
    await mutate(server, server.adminToken, "setPlaybookEnabled", "playbook { id }", { key: "again", enabled: false });
    const again = await emit(server, { ...event, at: "2020-01-01T00:00:00Z" });
    expect(again.event).toEqual(first.event);
    expect(again.runs.map(({ id }) => id)).toEqual(first.runs.map(({ id }) => id));
    expect(first.runs).toHaveLength(1);
  });

  test("that comes a hundred times at once is one event with one run", async () => {
    const event = await triggering("hundred");
    const answers = await Promise.all(Array.from({ length: 100 }, () => emit(server, event)));
    expect(new Set(answers.map((answer) => answer.event.id)).size).toBe(1);
    expect(new Set(answers.flatMap(({ runs }) => runs.map(({ id }) => id))).size).toBe(1);
    expect(answers.filter(({ runs }) => runs.length !== 1)).toEqual([]);
    expect(await rowsOf(answers[0]!.event.id)).toHaveLength(1);
  });

  test("with the key of another and other data is a conflict, and starts nothing", async () => {
    const event = await triggering("conflict");
    const { event: first } = await emit(server, { ...event, data: { finding: { id: "other" } } });
    expect(await emit(server, event)).toMatchObject({ __typename: "ConflictFailure", code: "event_conflict" });
    expect(await rowsOf(first.id)).toEqual([]);
  });

  test("has the same data in whatever order it is written", async () => {
    const first = await emit(server, { key: "order", data: { finding: { a: 1, b: [1, { c: 2, d: 3 }] } } });
    const again = await emit(server, { key: "order", data: { finding: { b: [1, { d: 3, c: 2 }], a: 1.0 } } });
    expect(again.event.id).toBe(first.event.id);
  });

  test("of another type with the same key is another, and so is each without a key", async () => {
    const input = { key: "shared", data: { scan: {}, finding: {} } };
    const answers = [
      await emit(server, input),
      await emit(server, { ...input, type: "scan.completed" }),
      await emit(server, { data: input.data }),
      await emit(server, { data: input.data }),
    ];
    expect(new Set(answers.map(({ event }) => event.id)).size).toBe(4);
  });

  test("starts no disabled playbook", async () => {
    const event = await triggering("disabled", { enabled: false });
    expect((await emit(server, event)).runs).toEqual([]);
  });

  test("starts the version that is active then", async () => {
    const event = await triggering("versions");
    await triggering("versions", { version: "1.1.0" });
    const versionOf = async (key: string) => (await emit(server, { ...event, key })).runs[0]?.playbookVersion.version;
    expect(await versionOf("versions-1")).toBe("1.1.0");
    await mutate(server, server.adminToken, "rollbackPlaybook", "playbook { id }", {
      key: "versions",
      version: "1.0.0",
    });
    expect(await versionOf("versions-2")).toBe("1.0.0");
  });

  test("stands behind its runs, and whoever emitted it behind them too", async () => {
    const event = await triggering("behind");
    const { event: emitted, runs } = await emit(server, event);
    const [row] = await rowsOf(emitted.id);
    const { emittedById } = await server.orm.em.fork().findOneOrFail(TriggerEvent, rowId("TriggerEvent", emitted.id));
    expect(row?.startedById).toBe(emittedById);
    expect(emittedById).toMatch(/^[0-9a-f-]{36}$/);
    const query = `query ($id: ID!) { run(id: $id) { startedBy { kind name } event {
      id type key data at receivedAt dispatchedAt emittedBy { kind name } } } }`;
    const answer = await server.client().request<{ run: { event: object } }>(query, { id: runs[0]!.id });
    expect(answer.run.event).toMatchObject({
      ...{ ...emitted, key: event.key, data: event.data, emittedBy: { kind: "TOKEN" } },
      dispatchedAt: expect.any(String),
    });
    expect(answer.run).toMatchObject({ startedBy: { kind: "SYSTEM", name: "event finding.new" } });
  });

  test("of one tenant is nothing to another", async () => {
    const event = await triggering("tenants");
    const stranger = await makeStranger(server, "stranger of events");
    const theirs = await emit(server, event);
    const own = await emit(server, { ...event, data: { finding: { id: "other" } } }, stranger);
    expect(own).toMatchObject({ __typename: "EmitEventPayload", runs: [] });
    expect((await emit(server, { ...event, key: "tenants-2" }, stranger)).runs).toEqual([]);
    const query = "query ($id: ID!) { node(id: $id) { id } }";
    expect(await server.client(stranger).request(query, { id: theirs.event.id })).toEqual({ node: null });
    expect(await server.client().request(query, { id: theirs.event.id })).toEqual({ node: { id: theirs.event.id } });
  });
});

describe("what is no event", () => {
  test.each([
    [{ type: "finding.nwe" }, "$.type", "unknown_event", "Did you mean finding.new?"],
    [{ type: "com.example.finding.new" }, "$.type", "unknown_event", "is no event"],
    [{ type: "" }, "$.type", "unknown_event", "Known: finding.new, "],
    [{ type: "action.completed" }, "$.type", "not_emitted", "the run whose action has ended"],
    [{ type: "manual" }, "$.type", "not_emitted", "executePlaybook"],
    [{ type: "schedule" }, "$.type", "not_emitted", "schedule"],
    [{ type: "__proto__" }, "$.type", "unknown_event", "Known"],
    [{ key: "" }, "$.key", "invalid_key", "1 to 512 visible ASCII"],
    [{ key: "a b" }, "$.key", "invalid_key", "visible ASCII"],
    [{ key: "ä" }, "$.key", "invalid_key", "visible ASCII"],
    [{ key: "x".repeat(limits.eventKeyLengthMax + 1) }, "$.key", "invalid_key", "visible ASCII"],
    [{ data: [1] }, "$.data", "wrong_type", "object"],
    [{ data: "text" }, "$.data", "wrong_type", "object"],
    [{ data: { a: "x".repeat(limits.contextBytesMax) } }, "$.data", "too_large", "bytes"],
    [{ at: "1969-12-31T23:59:59Z" }, "$.at", "out_of_range", "1970 to 9999"],
    [{ at: "9999-12-31T23:59:59-14:00" }, "$.at", "out_of_range", "1970 to 9999"],
  ])("%j is refused at %s as %s", async (input, path, code, message) => {
    const { issues } = await emit(server, input);
    expect(issues).toEqual([{ path, code, message: expect.stringContaining(message) }]);
  });

  test("tells everything that is wrong with it at once", async () => {
    const { issues } = await emit(server, { type: "x", key: " ", data: 5, at: "1950-01-01T00:00:00Z" });
    expect(issues?.map(({ path }) => path)).toEqual(["$.type", "$.key", "$.data", "$.at"]);
  });

  test("is kept as it is, whatever marks stand in it", async () => {
    const key = "a?b??'$1;--\\";
    const data = { "what?": "?? ' \" $1 \\? ; -- :x @y {{ finding.id }}" };
    const { event } = await emit(server, { key, data });
    const row = await server.orm.em.fork().findOneOrFail(TriggerEvent, rowId("TriggerEvent", event.id));
    expect([row.key, row.data]).toEqual([key, data]);
  });

  test("is received with what can be stored of it", async () => {
    const { event } = await emit(server, {
      key: "x".repeat(limits.eventKeyLengthMax),
      data: { finding: { a: "\u0000" } },
    });
    const row = await server.orm.em.fork().findOneOrFail(TriggerEvent, rowId("TriggerEvent", event.id));
    expect(row.data).toEqual({ finding: { a: "\uFFFD" } });
  });
});
