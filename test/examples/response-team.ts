import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, vi } from "vitest";
import {
  type ApprovalDecision,
  CreateApiTokenDocument,
  DecideApprovalDocument,
  EmitEventDocument,
  ExecutePlaybookDocument,
  PendingApprovalsDocument,
  type PendingApprovalsQuery,
  PutSecretDocument,
  PutVariableDocument,
  RegisterActionDocument,
  RegisterPlaybookDocument,
  RunDetailDocument,
  type RunDetailQuery,
} from "../../client/generated/graphql.ts";
import {
  type Credentials,
  type FakeServices,
  makeCredentials,
  startFakeServices,
} from "../../examples/fake-services.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const examples = path.resolve(import.meta.dirname, "../../examples");
const key = "pb-critical-vuln-response";
const actions = ["act-auto-patch", "act-email-notify", "act-jira-create", "act-pagerduty-alert", "act-slack-notify"];

/** A finding that the playbook is for, of a host in production. */
export const finding = {
  id: "f-1",
  title: "Remote code execution",
  severity: "critical",
  asset: { name: "mail-02", tags: ["production", "dmz"] },
};

type RunDetail = NonNullable<RunDetailQuery["run"]>;

export interface Ended {
  readonly run: RunDetail;
  /** Step to its status, of those that the run came to. */
  readonly steps: Readonly<Record<string, string>>;
  readonly step: (id: string) => RunDetail["steps"][number] | undefined;
}

/** A server with the vendor's playbook and its actions, and the services that they call. */
export class ResponseTeam {
  readonly server: TestServer;
  readonly services: FakeServices;
  /** The vendor's playbook. */
  readonly source: string;
  /** Has the approver's role, and may emit events, too. */
  readonly leadToken: string;
  readonly #credentials: Credentials;
  #callsBefore = 0;

  static async open(): Promise<ResponseTeam> {
    const server = await startTestServer();
    const credentials = makeCredentials();
    const services = await startFakeServices({ port: 0, credentials, firewallFailures: 0, onRequest: () => undefined });
    await store(server, credentials, services.url);
    for (const name of actions) {
      const definition = JSON.parse(await readFile(path.join(examples, "actions", name, "definition.json"), "utf8"));
      const { registerAction } = await server.client().request(RegisterActionDocument, { input: { definition } });
      expect(registerAction).toMatchObject({ __typename: "RegisterActionPayload" });
    }
    const source = await readFile(path.join(examples, "playbooks/critical-vulnerability-response.yaml"), "utf8");
    const team = new ResponseTeam({ server, services, source, credentials, leadToken: await makeLead(server) });
    await team.register(source);
    return team;
  }

  private constructor(
    parts: Pick<ResponseTeam, "server" | "services" | "source" | "leadToken"> & { credentials: Credentials },
  ) {
    this.server = parts.server;
    this.services = parts.services;
    this.source = parts.source;
    this.leadToken = parts.leadToken;
    this.#credentials = parts.credentials;
  }

  /** Every service works again, and what they were asked is forgotten. */
  reset(): void {
    for (const name of ["slack", "jira", "patch", "pagerduty", "mail"] as const) this.services.set(name, "works");
    this.#callsBefore = this.services.calls.length;
  }

  /** What each service was asked last since the reset; the order of parallel branches is nobody's business. */
  called(): Record<string, unknown> {
    return Object.fromEntries(this.services.calls.slice(this.#callsBefore).map(({ service, body }) => [service, body]));
  }

  async register(source: string) {
    const { registerPlaybook: result } = await this.server
      .client()
      .request(RegisterPlaybookDocument, { input: { source } });
    if (result.__typename !== "RegisterPlaybookPayload") throw new Error(JSON.stringify(result));
    return result;
  }

  /** The playbook under another key, which no event starts, with something in it replaced. @returns Its key. */
  async registerCopy(name: string, replaced: string, replacement: string): Promise<string> {
    const text = this.source
      .replace(`id: ${key}`, `id: ${name}`)
      .replace("severity: critical", "severity: never")
      .replace(replaced, replacement);
    expect(text).toContain(replacement);
    await this.register(text);
    return name;
  }

  /** @returns The runs that it started. */
  async emit(about: object = finding, token?: string): Promise<string[]> {
    const input = { type: "finding.new", data: { finding: about } };
    const { emitEvent: result } = await this.server.client(token).request(EmitEventDocument, { input });
    if (result.__typename !== "EmitEventPayload") throw new Error(result.message);
    return result.runs.map(({ id }) => id);
  }

  /** @returns The one run that it started. */
  async emitOne(about?: object, token?: string): Promise<string> {
    const ids = await this.emit(about, token);
    expect(ids).toHaveLength(1);
    return ids[0]!;
  }

  async execute(playbook: string): Promise<string> {
    const input = { key: playbook, context: { finding } };
    const { executePlaybook: result } = await this.server.client().request(ExecutePlaybookDocument, { input });
    if (result.__typename !== "ExecutePlaybookPayload") throw new Error(result.message);
    return result.run.id;
  }

  /** What a run asks, once it does, as the lead sees it. */
  asked(runId: string): Promise<PendingApprovalsQuery["approvals"]["edges"][number]["node"]> {
    const ask = async () => {
      const { approvals } = await this.server.client(this.leadToken).request(PendingApprovalsDocument, { first: 50 });
      const found = approvals.edges.find(({ node }) => node.run?.id === runId);
      if (!found) throw new Error("The run asks nothing yet.");
      return found.node;
    };
    return vi.waitFor(ask, { timeout: 20_000, interval: 20 });
  }

  async decide(runId: string, decision: ApprovalDecision, comment = "Seen."): Promise<void> {
    const { id } = await this.asked(runId);
    const input = { id, decision, comment };
    const { decideApproval } = await this.server.client(this.leadToken).request(DecideApprovalDocument, { input });
    expect(decideApproval).toMatchObject({ __typename: "DecideApprovalPayload" });
  }

  /** The run once it has ended; no credential is anywhere in it. */
  async ended(runId: string): Promise<Ended> {
    const document = "subscription ($runId: ID!) { runEvents(runId: $runId) { cursor } }";
    const events = this.server.subscribe(this.server.adminToken, document, { runId });
    for await (const { errors } of events) expect(errors).toBeUndefined();
    const { run } = await this.server.client().request(RunDetailDocument, { id: runId });
    if (!run) throw new Error("There is no such run.");
    for (const value of Object.values(this.#credentials)) expect(JSON.stringify(run)).not.toContain(value);
    const reached = run.steps.filter(({ status }) => status !== "SKIPPED");
    return {
      run,
      steps: Object.fromEntries(reached.map(({ stepId, status }) => [stepId, status])),
      step: (id) => run.steps.find(({ stepId }) => stepId === id),
    };
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.services.close();
  }
}

async function store(server: TestServer, credentials: Credentials, url: string): Promise<void> {
  const admin = server.client();
  for (const [name, value] of Object.entries(credentials)) {
    const { putSecret } = await admin.request(PutSecretDocument, { input: { name, value } });
    expect(putSecret).toMatchObject({ __typename: "PutSecretPayload" });
  }
  const { putVariable } = await admin.request(PutVariableDocument, { input: { name: "services_url", value: url } });
  expect(putVariable).toMatchObject({ __typename: "PutVariablePayload" });
}

async function makeLead(server: TestServer): Promise<string> {
  const input = { name: "lead", roles: ["operator", "security_lead"] };
  const { createApiToken } = await server.client().request(CreateApiTokenDocument, { input });
  if (createApiToken.__typename !== "CreateApiTokenPayload") throw new Error(createApiToken.message);
  return createApiToken.token;
}
