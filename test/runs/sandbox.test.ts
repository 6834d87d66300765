import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const executeAction = `mutation($input: ExecuteActionInput!) { executeAction(input: $input) { __typename
  ... on ExecuteActionPayload { run { id } } ... on ValidationFailure { issues { path code } } ... on Failure { code message } } }`;
const detail = `query($id: ID!) { run(id: $id) { status sandbox simulatedStepCount
  sandboxReport { interceptedCalls { type method url headers body } commandsExecuted { command exitCode } output }
  steps { status input output error { code message } } } }`;

interface Answer {
  readonly __typename: string;
  readonly run: { readonly id: string };
  readonly issues: readonly { path: string; code: string }[];
  readonly code: string;
}
interface Detail {
  readonly status: string;
  readonly sandbox: boolean;
  readonly simulatedStepCount: number;
  readonly sandboxReport: {
    readonly interceptedCalls: readonly Record<string, unknown>[];
    readonly commandsExecuted: readonly { readonly command: string; readonly exitCode: number | null }[];
    readonly output: unknown;
  } | null;
  readonly steps: readonly { status: string; input: unknown; output: unknown; error: { code: string } | null }[];
}

const canary = "s3cr3t-canary-of-the-sandbox";
const storedCanary = "s3cr3t-canary-of-the-store";

describe("an action executed in the sandbox", () => {
  let server: TestServer;
  let listener: Server;
  let connections = 0;
  let base: string;

  beforeAll(async () => {
    listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const address = listener.address();
    base = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    server = await startTestServer();
    await register("block", {
      executor: {
        type: "remote",
        target: `${base}/hosts/{{ parameters.host }}/block`,
        headers: { Authorization: "Bearer {{ parameters.key }}" },
      },
      parameters: [
        { name: "host", type: "string", required: true },
        { name: "hours", type: "integer", default: 24 },
        { name: "key", type: "secret", required: true },
      ],
      retry: { max_attempts: 5, backoff_seconds: 600 },
    });
    await mutate("putSecret", { name: "key", value: storedCanary });
  });
  afterAll(async () => {
    await server?.close();
    listener?.close();
  });

  async function mutate(field: string, input: object): Promise<void> {
    const type = `${field[0]?.toUpperCase()}${field.slice(1)}`;
    const document = `mutation($input: ${type}Input!) { ${field}(input: $input) { __typename ... on Failure { message } } }`;
    expect(await server.client().request(document, { input })).toEqual({ [field]: { __typename: `${type}Payload` } });
  }

  async function register(name: string, rest: object): Promise<void> {
    const definition = { name, version: "1.0.0", type: "containment", description: `It does ${name}.`, ...rest };
    await mutate("registerAction", { definition });
  }

  async function start(input: object): Promise<Answer> {
    const { executeAction: answer } = await server.client().request<{ executeAction: Answer }>(executeAction, {
      input: { ...input, sandbox: true },
    });
    return answer;
  }

  async function done(input: object): Promise<Detail> {
    return ended((await start(input)).run.id);
  }

  async function ended(id: string): Promise<Detail> {
    let found: Detail | undefined;
    await expect
      .poll(async () => {
        ({ run: found } = await server.client().request<{ run: Detail }>(detail, { id }));
        return found.status;
      })
      .toMatch(/SUCCEEDED|FAILED/);
    return found as Detail;
  }

  test("shows the exact request that would be sent, with its secrets masked, and opens no connection", async () => {
    const run = await done({ ref: "block", parameters: { host: "web 1/../2", key: canary } });
    expect(run).toMatchObject({ status: "SUCCEEDED", sandbox: true, simulatedStepCount: 1 });
    const [call] = run.sandboxReport?.interceptedCalls ?? [];
    expect(call).toMatchObject({
      type: "http",
      method: "POST",
      url: `${base}/hosts/web%201%2F..%2F2/block`,
      headers: {
        authorization: "Bearer ***",
        "content-type": "application/json",
        "user-agent": "riposte",
        "idempotency-key": expect.stringMatching(/:action$/),
      },
      body: { hours: 24 },
    });
    expect(run.sandboxReport?.commandsExecuted).toEqual([]);
    expect(run.steps[0]).toMatchObject({ status: "SIMULATED" });
    expect(JSON.stringify(run)).not.toContain(canary);
    expect(connections).toBe(0);
  });

  test("does not read the credential store", async () => {
    const before = await lastUsed();
    const run = await done({ ref: "block", parameters: { host: "a" } });
    expect(run.sandboxReport?.interceptedCalls[0]).toMatchObject({ headers: { authorization: "Bearer ***" } });
    expect(JSON.stringify(run)).not.toContain(storedCanary);
    expect(await lastUsed()).toEqual(before);
  });

  async function lastUsed(): Promise<unknown> {
    return server.client().request("{ secrets(first: 10) { edges { node { name lastUsedAt } } } }");
  }

  test("runs although the action is disabled, which production does not", async () => {
    await register("off", { enabled: false, executor: { type: "remote", target: `${base}/off` }, parameters: [] });
    expect(await done({ ref: "off" })).toMatchObject({ status: "SUCCEEDED" });
    const { executeAction: answer } = await server.client().request<{ executeAction: Answer }>(executeAction, {
      input: { ref: "off" },
    });
    expect(answer).toMatchObject({ __typename: "StateFailure", code: "action_disabled" });
    expect(connections).toBe(0);
  });

  test("reports every violation as production does", async () => {
    const answer = await start({ ref: "block", parameters: { hours: "24", color: "red" } });
    expect(answer.issues.map(({ path, code }) => `${path} ${code}`).sort()).toEqual([
      "$.parameters.color unknown_parameter",
      "$.parameters.host required",
      "$.parameters.hours wrong_type",
    ]);
  });

  test("shows a long body whole, up to what an output may have", async () => {
    await register("long", {
      executor: { type: "remote", target: `${base}/long` },
      parameters: [{ name: "text", type: "string", required: true }],
    });
    const text = "x".repeat(Math.min(200_000, limits.contextBytesMax - 100));
    const run = await done({ ref: "long", parameters: { text } });
    expect(run.sandboxReport?.interceptedCalls[0]?.["body"]).toEqual({ text });
  });

  test("simulates an action on an agent", async () => {
    await mutate("registerAction", {
      definition: {
        ...{ name: "on-agent", version: "1.0.0", type: "investigation", description: "Looks.", parameters: [] },
        executor: { type: "opservant", target: "01890000-0000-7000-8000-000000000000" },
      },
      files: [{ path: "look.sh", content: "#!/bin/sh\necho '{}'\n" }],
    });
    const run = await done({ ref: "on-agent" });
    expect(run).toMatchObject({ status: "SUCCEEDED", steps: [{ status: "SIMULATED" }] });
    expect(run.sandboxReport).toMatchObject({ interceptedCalls: [], commandsExecuted: [] });
  });

  test("runs a script isolated and without network, or refuses it with the remedy", async () => {
    await mutate("registerAction", {
      definition: {
        ...{ name: "script", version: "1.0.0", type: "investigation", description: "Looks.", enabled: false },
        parameters: [{ name: "key", type: "secret", required: true }],
        executor: { type: "local", target: "look.sh" },
      },
      files: [{ path: "look.sh", content: script(base) }],
    });
    const answer = await start({ ref: "script", parameters: { key: canary } });
    if (answer.__typename === "StateFailure") {
      expect(answer.code).toBe("sandbox_unavailable");
      return;
    }
    const run = await ended(answer.run.id);
    expect(run.steps).toMatchObject([
      { status: "SUCCEEDED", output: { reached: false, secret: "***", seen: 0 }, error: null },
    ]);
    expect(run.sandboxReport?.commandsExecuted).toContainEqual({
      command: expect.stringContaining("look.sh"),
      exitCode: 0,
    });
    expect(run.sandboxReport?.output).toEqual(run.steps[0]?.output);
    expect(run.sandboxReport?.interceptedCalls).toEqual([]);
    expect(JSON.stringify(run)).not.toContain(canary);
    expect(connections).toBe(0);
  });

  test("is another start than one in production under the same idempotency key", async () => {
    const input = { ref: "block", parameters: { host: "a", key: canary }, idempotencyKey: "once" };
    const first = await start(input);
    expect((await start(input)).run.id).toBe(first.run.id);
    const { executeAction: answer } = await server
      .client()
      .request<{ executeAction: Answer }>(executeAction, { input });
    expect(answer).toMatchObject({ __typename: "ConflictFailure", code: "idempotency_conflict" });
    expect(connections).toBe(0);
  });
});

/** Tries to reach the listener, and looks for processes of the server. */
function script(listener: string): string {
  const { hostname, port } = new URL(listener);
  return `
if (exec 3<>/dev/tcp/${hostname}/${port}) 2>/dev/null; then reached=true; else reached=false; fi
seen=0
for status in /proc/[0-9]*/environ; do
  if tr '\\0' '\\n' < "$status" 2>/dev/null | grep -q '^VITEST='; then seen=$((seen + 1)); fi
done
printf '{"reached": %s, "secret": "%s", "seen": %s}' "$reached" "$PARAM_KEY" "$seen"
`;
}
