import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";
import { emit, registerPlaybook } from "./event-fixtures.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await registerPlaybook(server, { key: "on-finding", conditions: { severity: "high" } });
});
afterAll(() => server.close());

const data = { finding: { id: "f-1", severity: "high" } };
const plain = { type: "finding.new", data };
const cloud = { specversion: "1.0", id: "1", source: "/scanner", type: "com.example.finding.new", data };
const cloudHeaders = {
  "ce-specversion": "1.0",
  "ce-id": "b-1",
  "ce-source": "/scanner",
  "ce-type": "com.example.finding.new",
};

interface Sent {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | null;
}

interface Accepted {
  readonly event: { readonly id: string; readonly type: string; readonly receivedAt: string };
  readonly runs: readonly { readonly id: string; readonly status: string }[];
}

/** A text is sent as it is, anything else as JSON. */
async function post({ body = plain, headers = {}, token = server.adminToken }: Sent = {}) {
  const response = await fetch(server.url.replace("/graphql", "/events"), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Accepted & Record<string, unknown> };
}

describe("POST /events", () => {
  test("takes {type, key, data, at}, and answers the event and its runs by their opaque ids", async () => {
    const { status, answer } = await post({ body: { ...plain, key: "plain", at: "2026-01-31T09:30:00Z" } });
    expect(status).toBe(202);
    expect(answer).toEqual({
      event: { id: expect.any(String), type: "finding.new", receivedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      runs: [{ id: expect.any(String), status: expect.any(String), failedStepCount: 0, simulatedStepCount: 0 }],
    });
    const query = "query ($id: ID!) { run(id: $id) { event { id key at } } }";
    expect(await server.client().request(query, { id: answer.runs[0]?.id })).toEqual({
      run: { event: { id: answer.event.id, key: "plain", at: "2026-01-31T09:30:00.000Z" } },
    });
  });

  test("takes a CloudEvent in structured mode", async () => {
    const headers = { "content-type": "application/cloudevents+json; charset=UTF-8" };
    const { status, answer } = await post({ body: cloud, headers });
    expect([status, answer.event.type, answer.runs.length]).toEqual([202, "finding.new", 1]);
  });

  test("takes a CloudEvent in binary mode", async () => {
    const { status, answer } = await post({ body: data, headers: cloudHeaders });
    expect([status, answer.event.type, answer.runs.length]).toEqual([202, "finding.new", 1]);
  });

  test("knows the same event whichever way it comes", async () => {
    const structured = { "content-type": "application/cloudevents+json" };
    const first = await post({ body: { ...cloud, id: "same" }, headers: structured });
    const again = await post({ body: data, headers: { ...cloudHeaders, "ce-id": "same" } });
    expect(again).toEqual({ status: 202, answer: { event: first.answer.event, runs: [expect.anything()] } });
    expect(again.answer.runs[0]?.id).toBe(first.answer.runs[0]?.id);
    const plainFirst = await post({ body: { ...plain, key: "same" } });
    expect((await emit(server, { key: "same", data })).event).toEqual(plainFirst.answer.event);
    expect(plainFirst.answer.event.id).not.toBe(first.answer.event.id);
  });

  test("tells a conflict", async () => {
    await post({ body: { ...plain, key: "taken" } });
    const { status, answer } = await post({ body: { ...plain, key: "taken", data: { finding: {} } } });
    expect([status, answer]).toEqual([409, { code: "event_conflict", message: expect.stringContaining("new key") }]);
  });
});

describe("who may POST /events", () => {
  test("is nobody without a token, or with one that is not valid", async () => {
    for (const token of [null, "rip_nonsense"]) {
      const { status, answer } = await post({ token });
      expect([status, answer["code"]]).toEqual([401, "unauthenticated"]);
    }
  });

  test("is an operator, and no viewer", async () => {
    const tokenOf = async (role: string) => {
      const input = { name: role, roles: [role] };
      return (await mutate<{ token: string }>(server, server.adminToken, "createApiToken", "token", input)).token;
    };
    expect((await post({ token: await tokenOf("operator") })).status).toBe(202);
    const { status, answer } = await post({ token: await tokenOf("viewer"), body: "no JSON" });
    expect([status, answer["code"]]).toEqual([403, "forbidden"]);
  });
});

describe("what POST /events does not take", () => {
  const structured = "application/cloudevents+json";
  test.each([
    ["text/plain", {}],
    ["application/x-www-form-urlencoded", {}],
    ["application/vnd.example+json", {}],
    ["application/json; charset=utf-16", {}],
    ["application/json; charset=iso-8859-1", cloudHeaders],
    ["text/xml", cloudHeaders],
    ["application/cloudevents-batch+json", {}],
    ["application/cloudevents-batch+json; charset=utf-8", cloudHeaders],
    ["application/cloudevents+avro", {}],
    ["application/cloudevents", {}],
  ])("is a body of the type %s", async (type, headers) => {
    const { status, answer } = await post({ headers: { ...headers, "content-type": type } });
    expect([status, answer["code"]]).toEqual([415, "unsupported_media_type"]);
  });

  test("is a batch, and it says so", async () => {
    const { answer } = await post({ body: [cloud], headers: { "content-type": "application/cloudevents-batch+json" } });
    expect(answer["message"]).toContain("one by one");
  });

  test.each([
    ["", "application/json"],
    ["{", "application/json"],
    ['{"type":"finding.new","data":{"n":NaN}}', "application/json"],
    ["[]", "application/json"],
    ["null", structured],
    ['"text"', structured],
    ["[".repeat(100_000), "application/json"],
    [`{"type":"finding.new","data":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, "application/json"],
    [Buffer.from('{"type":"finding.new","data":{"a":"\xff"}}', "latin1"), "application/json"],
  ])("is %.20s as %s", async (body, type) => {
    const { status, answer } = await post({ body, headers: { "content-type": type } });
    expect([status, answer["code"]]).toEqual([400, "bad_request"]);
    expect(JSON.stringify(answer)).not.toContain("at ");
  });

  test("is an event with anything wrong in it, all of which it tells", async () => {
    const { status, answer } = await post({
      body: { type: "finding.nwe", key: 5, data: [], at: "now", keey: "x", ["__proto__"]: {} },
    });
    expect(status).toBe(422);
    expect((answer["issues"] as { path: string; code: string }[]).map(({ path, code }) => `${path} ${code}`)).toEqual([
      "$.keey unknown_field",
      "$.__proto__ unknown_field",
      "$.key wrong_type",
      "$.at invalid_instant",
      "$.type unknown_event",
      "$.data wrong_type",
    ]);
  });

  test("is a CloudEvent without what it must have, and it names the headers", async () => {
    const { status, answer } = await post({ body: data, headers: { "ce-id": "1" } });
    expect(status).toBe(422);
    expect((answer["issues"] as { path: string }[]).map(({ path }) => path)).toEqual([
      "ce-specversion",
      "ce-source",
      "ce-type",
    ]);
  });

  test("is more data than a run's context may have, or a larger body than any may be", async () => {
    const body = { ...plain, data: { text: "x".repeat(limits.contextBytesMax) } };
    expect((await post({ body })).status).toBe(422);
    expect((await post({ body: Buffer.alloc(limits.requestBodyBytesMax + 1, 32) })).status).toBe(413);
    const values = Buffer.from(`{"type":"finding.new","data":{"a":[${"0,".repeat(limits.requestValuesMax)}0]}}`);
    expect((await post({ body: values })).status).toBe(400);
  });

  test("is a GET", async () => {
    const response = await fetch(server.url.replace("/graphql", "/events"));
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});
