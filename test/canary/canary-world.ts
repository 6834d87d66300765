import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { expect, vi } from "vitest";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../support/server.ts";
import { leaksIn } from "./forms.ts";

/** A server of which everything is overheard: its log, its answers, the streams of others, its rows, its files. */
export class CanaryWorld {
  readonly server: TestServer;
  /** Reads all of the tenant, and nothing else. */
  viewer = "";
  /** The admin of another tenant. */
  stranger = "";
  readonly #dataDirectory: string;
  readonly #log: string[];
  readonly #answers: string[] = [];
  readonly #streams: string[] = [];
  readonly #watching: AsyncIterableIterator<unknown>[] = [];

  static async open(adapters: readonly Adapter[] = [], config: TestServerOptions["config"] = {}): Promise<CanaryWorld> {
    const dataDirectory = await mkdtemp(join(tmpdir(), "canary-"));
    const logged: string[] = [];
    const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(line) });
    const server = await startTestServer({ log, adapters, config: { DATA_DIR: dataDirectory, ...config } });
    const world = new CanaryWorld(server, dataDirectory, logged);
    world.viewer = await world.token("watcher", ["viewer"]);
    const stranger = { name: "stranger" };
    world.stranger = (await world.secretly<{ token: string }>("createTenant", "token", stranger)).token;
    for (const who of [world.viewer, world.stranger]) for (const query of tenantStreams) world.#watch(who, query);
    return world;
  }

  private constructor(server: TestServer, dataDirectory: string, log: string[]) {
    this.server = server;
    this.#dataDirectory = dataDirectory;
    this.#log = log;
  }

  async close(): Promise<void> {
    for (const stream of this.#watching) void stream.return?.();
    await this.server.close();
    await rm(this.#dataDirectory, { recursive: true, force: true });
  }

  /** Sends an operation, and remembers the whole answer. */
  async ask<Data = Record<string, unknown>>(query: string, variables: unknown = {}, token?: string): Promise<Data> {
    const text = await this.answer(JSON.stringify({ query, variables }), token);
    return JSON.parse(text).data as Data;
  }

  /** Sends a body as it is, and remembers the whole answer. */
  async answer(body: string, token = this.server.adminToken): Promise<string> {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const response = await fetch(this.server.url, { method: "POST", headers, body });
    const text = await response.text();
    this.#answers.push(JSON.stringify([...response.headers]), text);
    return text;
  }

  /** Of a mutation that takes an input: its payload. */
  async mutate<Payload>(name: string, selection: string, input: object, token?: string): Promise<Payload> {
    const type = `${name[0]?.toUpperCase()}${name.slice(1)}`;
    const query = `mutation($input: ${inputs[name] ?? `${type}Input`}!) { ${name}(input: $input) {
      __typename ... on ${type}Payload { ${selection} } ... on Failure { code message } } }`;
    const data = await this.ask<Record<string, Payload & { __typename: string }>>(query, { input }, token);
    const payload = data?.[name];
    expect(payload).toMatchObject({ __typename: `${type}Payload` });
    return payload as Payload;
  }

  async token(name: string, roles: readonly string[]): Promise<string> {
    return (await this.secretly<{ token: string }>("createApiToken", "token", { name, roles })).token;
  }

  /** A mutation that tells a token, once and to its caller only: that answer is not among those that are searched. */
  async secretly<Payload>(name: string, selection: string, input: object): Promise<Payload> {
    const before = this.#answers.length;
    const payload = await this.mutate<Payload>(name, selection, input);
    this.#answers.splice(before);
    return payload;
  }

  #watch(token: string, query: string, variables: Record<string, unknown> = {}): Promise<void> {
    const stream = this.server.subscribe(token, query, variables);
    this.#watching.push(stream);
    const listen = async () => {
      for await (const result of stream) this.#streams.push(JSON.stringify(result));
    };
    return listen().catch((error: unknown) => void this.#streams.push(JSON.stringify(error)));
  }

  /** Reads a stream that ends by itself, or is refused. */
  watched(token: string, query: string, variables?: Record<string, unknown>): Promise<void> {
    return this.#watch(token, query, variables);
  }

  /** Reads an address, and remembers the whole answer. */
  async read(url: string, headers: Readonly<Record<string, string>>): Promise<void> {
    const response = await fetch(url, { headers });
    this.#answers.push(JSON.stringify([...response.headers]), await response.text());
  }

  /** Watches a run by every stream that a run has, and answers how it stands when it has ended. */
  async ended(runId: string, token = this.viewer): Promise<{ readonly status: string; readonly text: string }> {
    await Promise.all(runStreams.map((query) => this.#watch(token, query, { runId })));
    const data = await this.ask<{ run: { status: string } }>(runQuery, { runId }, token);
    return { status: data.run.status, text: JSON.stringify(data) };
  }

  /** A live action, once it has ended. */
  async dispatchEnded(id: string): Promise<{ readonly status: string; readonly text: string }> {
    return vi.waitUntil(
      async () => {
        const data = await this.ask<{ node: { result: { status: string } | null } }>(
          dispatchQuery,
          { id },
          this.viewer,
        );
        return data.node.result ? { status: data.node.result.status, text: JSON.stringify(data) } : undefined;
      },
      { timeout: 20_000, interval: 50 },
    );
  }

  /** Waits until those who watch the tenant have heard of something. */
  async heard(text: string): Promise<void> {
    await expect.poll(() => this.#streams.some((event) => event.includes(text))).toBe(true);
  }

  /** Everything that anybody could read, by place. */
  async everything(): Promise<Map<string, string>> {
    await this.#readAll();
    return new Map([
      ["the database", await this.#dump()],
      ["the log", this.#log.join("")],
      ["the answers", this.#answers.join("\n")],
      ["the streams", this.#streams.join("\n")],
      ["the files", await textsIn(this.#dataDirectory)],
    ]);
  }

  /** Fails with the places and the forms in which any of the secrets is found. */
  async expectClean(...secrets: readonly string[]): Promise<void> {
    const found: string[] = [];
    for (const [place, text] of await this.everything()) {
      // As it is written, and as it reads: a row's text escapes once more.
      const readings = [text, text.replaceAll("\\\\", "\\").replaceAll('\\"', '"').replaceAll('""', '"')];
      found.push(...readings.flatMap((reading) => leaksIn(reading, secrets)).map((leak) => `${place}: ${leak}`));
    }
    expect([...new Set(found)]).toEqual([]);
  }

  /** What answers to a viewer, an auditor and anybody on the network. */
  async #readAll(): Promise<void> {
    await this.ask(listsQuery);
    await this.ask(listsQuery, {}, this.viewer);
    await this.ask(listsQuery, {}, this.stranger);
    const authorization = `Bearer ${this.server.adminToken}`;
    for (const path of ["/health", "/ready", "/metrics", "/api/actions/schema", "/api/audit/export"]) {
      await this.read(new URL(path, this.server.url).href, { authorization });
    }
  }

  /** Every row of every table, as PostgreSQL writes it. */
  async #dump(): Promise<string> {
    const em = this.server.orm.em.fork();
    const tables = await em.execute<{ name: string }[]>(
      "select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    );
    expect(tables.length).toBeGreaterThan(20);
    const texts: string[] = [];
    for (const { name } of tables) {
      const rows = await em.execute<{ text: string }[]>(`select t::text as text from ${name} as t`);
      texts.push(...rows.map(({ text }) => text));
    }
    return texts.join("\n");
  }
}

/** Inputs that are not called after their mutation. */
const inputs: Readonly<Record<string, string>> = { dispatchLiveAction: "LiveActionInput" };

async function textsIn(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file, "latin1")));
  return [...entries.map(({ name }) => name), ...contents].join("\n");
}

const dispatchFields = `id requestId state mode capability vendorId target caseId requestedBy reason actor { kind name } cost
  approval { id status message effect comment } result { status summary details error warnings }`;
const runFields = `id status context error { code message } steps { stepId status input output warnings error { code message }
  approval { id message effect } }`;
const runQuery = `query($runId: ID!) { run(id: $runId) { ${runFields} sandboxReport { output
    interceptedCalls { method url headers body } commandsExecuted { command exitCode } }
  events(first: 100) { edges { node { __typename sequence ... on StepStatusEvent { stepId output error { code message } }
    ... on LogEvent { text } ... on NoticeEvent { message } } } } } }`;
const dispatchQuery = `query($id: ID!) { node(id: $id) { ... on LiveActionDispatch { ${dispatchFields} } } }`;
const listsQuery = `{
  runs(first: 100) { edges { node { ${runFields} } } }
  liveActionDispatches(first: 100) { edges { node { ${dispatchFields} } } }
  approvals(first: 100) { edges { node { id message effect comment } } }
  agents(first: 100) { edges { node { name version } } }
  secrets(first: 100) { edges { node { name } } }
  auditEntries(first: 100) { edges { node { actor { name } operation subject outcome detail } } }
}`;
const tenantStreams = [
  `subscription { runUpdates { run { ${runFields} } } }`,
  `subscription { liveActionUpdates { dispatch { ${dispatchFields} } } }`,
  "subscription { approvalUpdates { approval { id status message effect comment } } }",
];
const runStreams = [
  `subscription($runId: ID!) { runEvents(runId: $runId) { __typename cursor ... on RunStatusEvent { error { code message } }
    ... on StepStatusEvent { output error { code message } } ... on LogEvent { text } ... on NoticeEvent { message } } }`,
  "subscription($runId: ID!) { runLogs(runId: $runId) { text } }",
  "subscription($runId: ID!) { stepUpdates(runId: $runId) { step { stepId input output warnings error { code message } } } }",
];
