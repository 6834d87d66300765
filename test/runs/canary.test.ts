import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const given = "cAnary-given/7c1f+e2 b9a0?";
const stored = "cAnary-stored/51d8+aa 77e3?";

const script = `
let text = "";
for await (const chunk of process.stdin) text += chunk;
const { given_key: given, stored_key: stored } = JSON.parse(text);
for (const secret of [given, stored]) {
  for (const byte of Buffer.from(secret)) { process.stderr.write(Buffer.from([byte])); await new Promise((r) => setTimeout(r, 1)); }
  process.stderr.write("\\n");
  console.error("plain", secret);
  console.error("base64", Buffer.from(secret).toString("base64"), Buffer.from("x" + secret).toString("base64"));
  console.error("url", encodeURIComponent(secret), new URLSearchParams({ secret }).toString());
  console.error("json", JSON.stringify({ secret: secret + '"' }));
}
console.log(JSON.stringify({ status: "error", [given]: stored, error: { code: "leak", message: "it was " + given + " and " + stored } }));
process.exit(1);
`;

function definition(name: string, executor: object) {
  return {
    name,
    version: "1.0.0",
    type: "enrichment",
    description: "Gives away what it is given.",
    parameters: [
      { name: "given_key", type: "secret", required: true },
      { name: "stored_key", type: "secret", required: true },
    ],
    executor,
  };
}

const execute = `mutation($input: ExecuteActionInput!) { executeAction(input: $input) {
  ... on ExecuteActionPayload { run { id } } ... on ValidationFailure { issues { path message } } ... on Failure { code message } } }`;
const detail = `query($id: ID!) { run(id: $id) { status context error { code message }
  steps { stepId status input output error { code message } warnings }
  events(first: 100) { edges { node { __typename sequence ... on StepStatusEvent { output error { code message } } ... on LogEvent { text } ... on NoticeEvent { message } } } } } }`;
const follow = `subscription($id: ID!) { runEvents(runId: $id) { __typename cursor
  ... on RunStatusEvent { runStatus: status error { message } } ... on StepStatusEvent { output error { message } } ... on LogEvent { text } ... on NoticeEvent { message } } }`;

describe("a secret given to an action", () => {
  let server: TestServer;
  let vendor: Server;
  let heard = "";
  const logged: string[] = [];

  beforeAll(async () => {
    vendor = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      heard += `${request.headers["x-key"]}\n${body}\n`;
      response.statusCode = 500;
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ echo: body, header: request.headers["x-key"], error: { code: "echo", message: body } }),
      );
    });
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    server = await startTestServer({
      log: pino({ level: "debug" }, { write: (line: string) => void logged.push(line) }),
    });
    const { port } = vendor.address() as AddressInfo;
    const register = `mutation($local: RegisterActionInput!, $remote: RegisterActionInput!, $noted: RegisterActionInput!, $secret: PutSecretInput!) {
      d: registerAction(input: $noted) { __typename ... on ValidationFailure { issues { path message } } }
      a: registerAction(input: $local) { __typename ... on ValidationFailure { issues { path message } } }
      b: registerAction(input: $remote) { __typename ... on ValidationFailure { issues { path message } } }
      c: putSecret(input: $secret) { __typename } }`;
    const answer = await server.client().request(register, {
      local: {
        definition: definition("leak-local", { type: "local", target: "leak.mjs" }),
        files: [{ path: "leak.mjs", content: script }],
      },
      remote: {
        definition: definition("leak-remote", {
          type: "remote",
          target: `http://127.0.0.1:${port}/echo`,
          headers: { "x-key": "{{ parameters.given_key }}" },
        }),
      },
      noted: {
        definition: {
          ...definition("leak-noted", {
            type: "remote",
            target: `http://127.0.0.1:${port}/echo`,
            headers: { "x-key": "{{ parameters.given_key }}" },
          }),
          parameters: [
            { name: "given_key", type: "secret", required: true },
            { name: "note", type: "string" },
            { name: "finding", type: "string" },
          ],
          input_mapping: { note: "{{ parameters.note }}", finding: "{{ finding.id }}" },
        },
      },
      secret: { name: "stored_key", value: stored },
    });
    expect(answer).toMatchObject({
      a: { __typename: "RegisterActionPayload" },
      b: { __typename: "RegisterActionPayload" },
      c: { __typename: "PutSecretPayload" },
    });
  });

  afterAll(async () => {
    await server.close();
    vendor.closeAllConnections();
    vendor.close();
  });

  test.each(["leak-local", "leak-remote"])("of %s reaches the executor and is found nowhere else", async (ref) => {
    const started = await server.client().request<{ executeAction: { run: { id: string } } }>(execute, {
      input: { ref, parameters: { given_key: given } },
    });
    const { id } = started.executeAction.run;
    const seen: unknown[] = [];
    for await (const event of server.subscribe(server.adminToken, follow, { id })) seen.push(event);
    const run = await server.client().request<{ run: { status: string } }>(detail, { id });
    expect(run.run.status).toBe("FAILED");
    if (ref === "leak-remote") {
      expect(heard).toContain(given);
      expect(heard).toContain(stored);
    }
    expectClean("events", JSON.stringify(seen));
    expectClean("answers", JSON.stringify([started, run]));
    expectClean("log", logged.join(""));
    expectClean("database", await dump(server));
    const [row] = await server.orm.em
      .fork()
      .execute("select sealed_secrets from run where finished_at is not null limit 1");
    expect(row).toEqual({ sealed_secrets: null });
  });

  test("does not stand in for a stored one of the same name that another parameter refers to", async () => {
    heard = "";
    const parameters = { given_key: { $secret: "stored_key" }, stored_key: given };
    const started = await server.client().request<{ executeAction: { run: { id: string } } }>(execute, {
      input: { ref: "leak-remote", parameters },
    });
    for await (const _ of server.subscribe(server.adminToken, follow, { id: started.executeAction.run.id }));
    expect(heard).toBe(`${stored}\n${JSON.stringify({ stored_key: given })}\n`);
  });

  test("is masked wherever else it stands in what was given, and still reaches the executor there", async () => {
    heard = "";
    const parameters = { given_key: given, note: `with ${given}` };
    const started = await server.client().request<{ executeAction: { run: { id: string } } }>(execute, {
      input: { ref: "leak-noted", parameters, context: { finding: { id: given } } },
    });
    const { id } = started.executeAction.run;
    for await (const _ of server.subscribe(server.adminToken, follow, { id }));
    const run = await server.client().request<{ run: { context: unknown } }>(detail, { id });
    expect(JSON.parse(heard.split("\n")[1] ?? "")).toEqual({ note: `with ${given}`, finding: given });
    expect(run.run.context).toEqual({ finding: { id: "***" } });
    expectClean("answers", JSON.stringify([started, run]));
    expectClean("database", await dump(server));
  });

  test("that is no text is refused without being told back", async () => {
    const input = { ref: "leak-local", parameters: { given_key: { value: given } } };
    const answer = await server.client().request<{ executeAction: unknown }>(execute, { input });
    expect(answer.executeAction).toMatchObject({ code: "invalid_input" });
    expectClean("answer", JSON.stringify(answer));
  });
});

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("hex"),
    encodeURIComponent(secret),
    new URLSearchParams({ secret }).toString().slice("secret=".length),
    JSON.stringify(`${secret}`).slice(1, -1),
    [...secret].reverse().join(""),
    // The middle of it at the other alignments of base64.
    Buffer.from(`x${secret}`).toString("base64").slice(4, -4),
    Buffer.from(`xx${secret}`).toString("base64").slice(4, -4),
  ];
}

function expectClean(where: string, text: string): void {
  for (const secret of [given, stored]) {
    for (const form of formsOf(secret)) expect(text.includes(form), `${where} holds ${form}`).toBe(false);
  }
}

/** Every row of every table as text, byte columns decoded. */
async function dump(server: TestServer): Promise<string> {
  const em = server.orm.em.fork();
  const tables = await em.execute<{ name: string }[]>(
    "select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  );
  const texts = [];
  for (const { name } of tables) texts.push(JSON.stringify(await em.execute(`select t::text from ${name} as t`)));
  expect(tables.length).toBeGreaterThan(10);
  return texts.join("\n").replaceAll("\\\\", "\\").replaceAll('\\"', '"');
}
