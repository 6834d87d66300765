import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { vi } from "vitest";
import { RunDetailDocument, type RunDetailQuery } from "../../client/generated/graphql.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";

export type Shown = NonNullable<RunDetailQuery["run"]>;

export interface ShownApproval {
  readonly id: string;
  readonly status: string;
  readonly message: string | null;
  readonly expiresAt: string | null;
  readonly effect: { readonly steps: readonly Record<string, unknown>[] };
  readonly canDecide: boolean;
  readonly stepId: string;
}

const approvalQuery = `query ($id: ID!) { run(id: $id) {
  steps { stepId approval { id status message expiresAt effect canDecide stepId run { id } } } } }`;

/** A vendor that actions call, a server, and people who start runs and decide. */
export class Office {
  server: TestServer;
  /** What the vendor was sent, by path, e.g. `block`. */
  readonly calls: { readonly action: string; readonly body: unknown }[] = [];
  /** Lets the vendor answer the action `hang`, which it keeps waiting until then. */
  readonly release: () => void;
  leadToken = "";
  readonly #vendor: Server;

  /** On a database of its own, or on one that is there already. */
  static async open(options: TestServerOptions = {}): Promise<Office> {
    const calls: Office["calls"] = [];
    const held = Promise.withResolvers<void>();
    const vendor = createServer(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += chunk;
      const action = (request.url ?? "").slice(1);
      calls.push({ action, body: JSON.parse(text || "{}") });
      if (action === "hang") await held.promise;
      response.end("{}");
    });
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    const office = new Office(await startTestServer(options), vendor, { calls, release: held.resolve });
    office.leadToken = await office.member("lea", ["security_lead", "viewer"]);
    for (const name of ["block", "page", "note", "hang"]) await office.register(name, "1.0.0");
    return office;
  }

  private constructor(server: TestServer, vendor: Server, parts: Pick<Office, "calls" | "release">) {
    this.server = server;
    this.#vendor = vendor;
    this.calls = parts.calls;
    this.release = parts.release;
  }

  async close(): Promise<void> {
    this.release();
    await this.server.close();
    this.#vendor.closeAllConnections();
    this.#vendor.close();
  }

  async member(name: string, roles: readonly string[]): Promise<string> {
    const { adminToken } = this.server;
    const input = { name, roles };
    return (await mutate<{ token: string }>(this.server, adminToken, "createApiToken", "token", input)).token;
  }

  /** An action that posts its argument `value` to the vendor. */
  async register(name: string, version: string): Promise<void> {
    const { port } = this.#vendor.address() as AddressInfo;
    const definition = {
      ...{ name, version, type: "containment", description: `${name} in a test` },
      parameters: [{ name: "value", type: "string" }],
      executor: { type: "remote", target: `http://127.0.0.1:${port}/${name}` },
    };
    const isFirst = version === "1.0.0";
    const mutation = isFirst ? "registerAction" : "registerActionVersion";
    await mutate(this.server, this.server.adminToken, mutation, "__typename", { definition });
  }

  async registerPlaybook(key: string, steps: readonly string[], more: readonly string[] = []): Promise<void> {
    const head = [`id: ${key}`, `name: ${key}`, 'version: "1.0.0"', "trigger: {event: manual}", ...more];
    const source = [...head, "steps:", ...steps.map((step) => `  - ${step}`)].join("\n");
    await mutate(this.server, this.server.adminToken, "registerPlaybook", "playbook { id }", { source });
  }

  /** Starts a playbook; the opaque id of the run. */
  async start(key: string, token = this.server.adminToken, context: object = { finding: { ip: "10.0.0.7" } }) {
    const input = { key, context };
    return (await mutate<{ run: { id: string } }>(this.server, token, "executePlaybook", "run { id }", input)).run.id;
  }

  /** The request that a step of the run makes, once it does. */
  async requestOf(runId: string, stepId = "ask", token = this.leadToken): Promise<ShownApproval> {
    return vi.waitUntil(async () => (await this.approvals(runId, token)).get(stepId), {
      timeout: 20_000,
      interval: 20,
    });
  }

  /** Every request of the run, by step. */
  async approvals(runId: string, token = this.leadToken): Promise<Map<string, ShownApproval>> {
    const client = this.server.client(token);
    const { run } = await client.request<{ run: { steps: { stepId: string; approval: ShownApproval | null }[] } }>(
      approvalQuery,
      { id: runId },
    );
    return new Map(run.steps.flatMap(({ stepId, approval }) => (approval ? [[stepId, approval]] : [])));
  }

  async decide(id: string, decision: "APPROVE" | "REJECT", token = this.leadToken): Promise<void> {
    const input = { id, decision, comment: "Seen." };
    await mutate(this.server, token, "decideApproval", "approval { id }", input);
  }

  /** The run, once it has ended. */
  async ended(id: string): Promise<Shown> {
    const follow = "subscription ($id: ID!) { runEvents(runId: $id) { sequence } }";
    for await (const { errors } of this.server.subscribe(this.server.adminToken, follow, { id })) {
      if (errors) throw new Error(JSON.stringify(errors));
    }
    const { run } = await this.server.client().request(RunDetailDocument, { id });
    if (!run) throw new Error(`Run ${id} is gone.`);
    return run;
  }
}

/** Steps of a run by their ids, as `status` in lower case. */
export function statusesOf({ steps }: Shown): Record<string, string> {
  return Object.fromEntries(steps.map(({ stepId, status }) => [stepId, status.toLowerCase()]));
}
