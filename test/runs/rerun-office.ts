import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import {
  RerunFromFailureDocument,
  type RerunFromFailureMutation,
  RunDetailDocument,
  type RunDetailQuery,
} from "../../client/generated/graphql.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";

export type Shown = NonNullable<RunDetailQuery["run"]>;
type Answer = RerunFromFailureMutation["rerunFromFailure"];

/** A server whose actions call a vendor that fails as the test says. */
export class RerunOffice {
  server: TestServer;
  /** `path body` of each call. */
  readonly calls: string[] = [];
  /** Paths that answer 500. */
  readonly failing = new Set<string>();
  readonly #vendor: Server;
  readonly #options: TestServerOptions;

  static async open(options: TestServerOptions = {}): Promise<RerunOffice> {
    const office = new RerunOffice(await startTestServer(options), options);
    await new Promise<void>((resolve) => office.#vendor.listen(0, "127.0.0.1", resolve));
    return office;
  }

  private constructor(server: TestServer, options: TestServerOptions) {
    this.server = server;
    this.#options = options;
    this.#vendor = createServer(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += chunk;
      const path = (request.url ?? "").slice(1);
      this.calls.push(`${path} ${text}`);
      response.statusCode = this.failing.has(path) ? 500 : 200;
      response.end(JSON.stringify({ from: path }));
    });
  }

  /** The server stops, and another takes its place on the same database. */
  async restart(): Promise<void> {
    await this.server.close();
    this.server = await startTestServer(this.#options);
  }

  async close(): Promise<void> {
    await this.server.close();
    this.#vendor.closeAllConnections();
    this.#vendor.close();
  }

  admin<Payload>(name: string, selection: string, input: object): Promise<Payload> {
    return mutate<Payload>(this.server, this.server.adminToken, name, selection, input);
  }

  async member(name: string, roles: readonly string[]): Promise<string> {
    return (await this.admin<{ token: string }>("createApiToken", "token", { name, roles })).token;
  }

  /** An action that posts its arguments to the vendor, at the path of its own name. */
  async register(name: string, changes: object = {}): Promise<void> {
    const { port } = this.#vendor.address() as AddressInfo;
    const definition = {
      ...{ name, version: "1.0.0", type: "containment", description: `${name} in a test` },
      parameters: [{ name: "value", type: "string" }],
      executor: { type: "remote", target: `http://127.0.0.1:${port}/${name}` },
      ...changes,
    };
    const isFirst = definition.version === "1.0.0";
    await this.admin(isFirst ? "registerAction" : "registerActionVersion", "__typename", { definition });
  }

  async registerPlaybook(key: string, steps: readonly object[], event = "manual"): Promise<void> {
    const document = { id: key, name: key, version: "1.0.0", trigger: { event }, steps };
    await this.admin("registerPlaybook", "playbook { id }", { source: JSON.stringify(document) });
  }

  async play(key: string, input: object = {}): Promise<Shown> {
    const { run } = await this.admin<{ run: { id: string } }>("executePlaybook", "run { id }", { key, ...input });
    return this.ended(run.id);
  }

  async execute(ref: string, input: object = {}): Promise<Shown> {
    const { run } = await this.admin<{ run: { id: string } }>("executeAction", "run { id }", { ref, ...input });
    return this.ended(run.id);
  }

  async tryRerun(id: string, input: object = {}, token = this.server.adminToken): Promise<Answer> {
    const client = this.server.client(token);
    return (await client.request(RerunFromFailureDocument, { input: { id, ...input } })).rerunFromFailure;
  }

  /** Runs it again; the id of the new run. */
  async begin(id: string, token = this.server.adminToken): Promise<string> {
    const answer = await this.tryRerun(id, {}, token);
    if (answer.__typename !== "RerunFromFailurePayload") throw new Error(JSON.stringify(answer));
    expect(answer.run.rerunOf).toEqual({ id });
    return answer.run.id;
  }

  async rerun(id: string): Promise<Shown> {
    return this.ended(await this.begin(id));
  }

  async show(id: string): Promise<Shown> {
    const { run } = await this.server.client().request(RunDetailDocument, { id });
    if (!run) throw new Error(`Run ${id} is gone.`);
    return run;
  }

  /** The run, once it has ended. */
  async ended(id: string): Promise<Shown> {
    const follow = "subscription ($id: ID!) { runEvents(runId: $id) { sequence } }";
    for await (const { errors } of this.server.subscribe(this.server.adminToken, follow, { id })) {
      expect(errors).toBeUndefined();
    }
    return this.show(id);
  }

  /** The approval that a step of the run waits for, once it does. */
  async requestOf(id: string, stepId: string): Promise<string> {
    const find = async () => (await this.show(id)).steps.find((step) => step.stepId === stepId)?.approval;
    await expect.poll(async () => (await find())?.status, { timeout: 20_000 }).toBe("PENDING");
    return (await find())?.id ?? "";
  }
}

export function statusesOf({ steps }: Pick<Shown, "steps">): Record<string, string> {
  return Object.fromEntries(steps.map(({ stepId, status }) => [stepId, status]));
}
