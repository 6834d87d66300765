import { expect, vi } from "vitest";
import { insertApproval } from "../approvals/approval-fixtures.ts";
import type { TestServer } from "../support/server.ts";
import { definitionOf, playbookSource } from "../tenancy/root-fields.ts";
import { mutate } from "../tenancy/strangers.ts";
import { auditedIssuer } from "./audited-vendor.ts";

/** Where deeds are done: as the first tenant's admin. */
export interface DeedWorld {
  readonly server: TestServer;
  readonly tenantId: string;
  /** Another name each time. */
  name(): string;
}

export interface DeedRow {
  /** Makes what the deed needs, and answers its input. */
  prepare(world: DeedWorld): Promise<object> | object;
  /** The same again changes nothing. */
  readonly isRepeatable?: true;
  /** What the entry is about: begins so. */
  readonly subject: string;
  readonly outcome?: string;
}

/** A node on a busy machine may be out of its cluster for a moment; then it takes no runs. */
export async function ready({ url }: TestServer): Promise<void> {
  await vi.waitUntil(async () => (await fetch(url.replace("/graphql", "/ready"))).ok, { timeout: 20_000 });
}

async function make<Payload>({ server }: DeedWorld, name: string, selection: string, input: object): Promise<Payload> {
  return mutate<Payload>(server, server.adminToken, name, selection, input);
}

async function madeAction(world: DeedWorld, fields: object = {}): Promise<string> {
  const ref = world.name();
  await make(world, "registerAction", "action { id }", { definition: definitionOf(ref, { ...fields }) });
  return ref;
}

async function addedVersion(world: DeedWorld): Promise<string> {
  const ref = await madeAction(world);
  await make(world, "registerActionVersion", "version { id }", { definition: definitionOf(ref, { version: "1.0.1" }) });
  return ref;
}

async function madePlaybook(world: DeedWorld): Promise<string> {
  const key = world.name();
  const action = await madeAction(world);
  await make(world, "registerPlaybook", "playbook { id }", { source: playbookSource(key, action) });
  return key;
}

/** A run that waits for an hour. */
async function waitingRun(world: DeedWorld): Promise<string> {
  const key = world.name();
  const steps = "steps: [{id: wait, name: Wait, type: delay, duration: 1h}]";
  const source = `id: ${key}\nname: ${key}\nversion: "1.0.0"\ntrigger: {event: manual}\n${steps}`;
  await make(world, "registerPlaybook", "playbook { id }", { source });
  await ready(world.server);
  const { run } = await make<{ run: { id: string } }>(world, "executePlaybook", "run { id }", { key });
  await vi.waitUntil(async () => (await statusOf(world, run.id)) === "WAITING", { timeout: 20_000 });
  return run.id;
}

async function statusOf({ server }: DeedWorld, id: string): Promise<string> {
  const answer = await server.client().request<{ run: { status: string } }>(`{ run(id: "${id}") { status } }`);
  return answer.run.status;
}

async function dispatched(world: DeedWorld): Promise<{ requestId: string; target: string }> {
  const input = { ...liveAction(world), requestId: world.name() };
  await make(world, "dispatchLiveAction", "dispatch { id }", input);
  return input;
}

function liveAction(world: DeedWorld) {
  return {
    capability: "isolate_host",
    vendorId: "audited",
    target: world.name(),
    caseId: "case-7",
    requestedBy: "ann",
  };
}

/** How each mutation is called so that it changes something. A mutation without a row fails the tests. */
export const deeds: Readonly<Record<string, DeedRow>> = {
  registerAction: { prepare: (world) => ({ definition: definitionOf(world.name()) }), subject: "action:" },
  registerActionVersion: {
    prepare: async (world) => ({ definition: definitionOf(await madeAction(world), { version: "1.0.1" }) }),
    subject: "action:",
  },
  setActionEnabled: {
    prepare: async (world) => ({ ref: await madeAction(world), enabled: false }),
    isRepeatable: true,
    subject: "action:",
  },
  rollbackAction: {
    prepare: async (world) => ({ ref: await addedVersion(world), version: "1.0.0", reason: "It broke." }),
    isRepeatable: true,
    subject: "action:",
  },
  withdrawActionVersion: {
    prepare: async (world) => ({ ref: await addedVersion(world), version: "1.0.1", reason: "It broke." }),
    subject: "action:",
  },
  registerPlaybook: {
    prepare: async (world) => ({ source: playbookSource(world.name(), await madeAction(world)) }),
    isRepeatable: true,
    subject: "playbook:",
  },
  rollbackPlaybook: {
    async prepare(world) {
      const [key, action] = [world.name(), await madeAction(world)];
      for (const version of ["1.0.0", "1.1.0"]) {
        await make(world, "registerPlaybook", "playbook { id }", { source: playbookSource(key, action, version) });
      }
      return { key, version: "1.0.0" };
    },
    subject: "playbook:",
  },
  setPlaybookEnabled: {
    prepare: async (world) => ({ key: await madePlaybook(world), enabled: false }),
    isRepeatable: true,
    subject: "playbook:",
  },
  executeAction: {
    prepare: async (world) => ({ ref: await madeAction(world), idempotencyKey: world.name() }),
    isRepeatable: true,
    subject: "action:",
  },
  executePlaybook: {
    prepare: async (world) => ({ key: await madePlaybook(world), dryRun: true, idempotencyKey: world.name() }),
    isRepeatable: true,
    subject: "playbook:",
  },
  cancelRun: { prepare: async (world) => ({ id: await waitingRun(world), reason: "Enough." }), subject: "run:" },
  rerunFromFailure: {
    async prepare(world) {
      const id = await waitingRun(world);
      await make(world, "cancelRun", "run { id }", { id });
      await vi.waitUntil(async () => (await statusOf(world, id)) === "CANCELLED", { timeout: 20_000 });
      return { id, idempotencyKey: world.name() };
    },
    isRepeatable: true,
    subject: "run:",
  },
  emitEvent: {
    prepare: (world) => ({ type: "finding.new", key: world.name(), data: { finding: { title: "t" } } }),
    isRepeatable: true,
    subject: "event:finding.new",
  },
  decideApproval: {
    async prepare({ server, tenantId }) {
      const { id } = await insertApproval(server.orm, { tenantId, approvers: [{ role: "admin" }] });
      return { id: Buffer.from(`Approval:${id}`).toString("base64"), decision: "REJECT", comment: "No." };
    },
    subject: "approval:",
  },
  dispatchLiveAction: {
    prepare: (world) => ({ ...liveAction(world), requestId: world.name() }),
    isRepeatable: true,
    subject: "target:",
    outcome: "accepted",
  },
  dryRunLiveAction: {
    prepare: (world) => ({ ...liveAction(world), requestId: world.name() }),
    isRepeatable: true,
    subject: "target:",
    outcome: "simulated",
  },
  rollbackLiveAction: {
    prepare: async (world) => ({ requestId: (await dispatched(world)).requestId, reason: "False alarm." }),
    subject: "target:",
    outcome: "accepted",
  },
  withdrawLiveAction: {
    async prepare(world) {
      const { capability, vendorId } = liveAction(world);
      const policy = { capability, vendorId, requireApproval: true };
      await make(world, "setLiveActionPolicy", "policy { capability }", policy);
      const { requestId } = await dispatched(world);
      await make(world, "setLiveActionPolicy", "policy { capability }", { ...policy, requireApproval: false });
      return { requestId, reason: "Not needed." };
    },
    subject: "target:",
  },
  pinVendor: {
    // To the one that it is not pinned to yet: the pin of a capability is one for all these tests.
    async prepare({ server }) {
      const answer = await server
        .client()
        .request<{ vendorPins: { vendorId: string }[] }>("{ vendorPins { vendorId } }");
      const isPinned = answer.vendorPins.some(({ vendorId }) => vendorId === "audited");
      return { capability: "isolate_host", vendorId: isPinned ? "crowdstrike" : "audited" };
    },
    isRepeatable: true,
    subject: "capability:isolate_host",
  },
  setLiveActionPolicy: {
    prepare: (world) => ({ capability: world.name(), requireApproval: true, callsPerDay: 7 }),
    isRepeatable: true,
    subject: "capability:",
  },
  putSecret: { prepare: (world) => ({ name: world.name(), value: "s3cret-value-4711" }), subject: "secret:" },
  deleteSecret: {
    async prepare(world) {
      const name = world.name();
      await make(world, "putSecret", "secret { id }", { name, value: "s3cret-value-4711" });
      return { name };
    },
    subject: "secret:",
  },
  putVariable: { prepare: (world) => ({ name: world.name(), value: "v" }), subject: "variable:" },
  deleteVariable: {
    async prepare(world) {
      const name = world.name();
      await make(world, "putVariable", "variable { id }", { name, value: "v" });
      return { name };
    },
    subject: "variable:",
  },
  createApiToken: { prepare: (world) => ({ name: world.name(), roles: ["viewer"] }), subject: "token:" },
  revokeApiToken: {
    async prepare(world) {
      const input = { name: world.name(), roles: ["viewer"] };
      const made = await make<{ apiToken: { id: string } }>(world, "createApiToken", "apiToken { id }", input);
      return { id: made.apiToken.id };
    },
    isRepeatable: true,
    subject: "token:",
  },
  // Of an identity provider that the server of the deeds knows. Again it revokes what has come since.
  revokePersonTokens: { prepare: (world) => ({ issuer: auditedIssuer, subject: world.name() }), subject: "person:" },
  createTenant: { prepare: (world) => ({ name: world.name() }), subject: "tenant:" },
  setTenantEnabled: {
    async prepare(world) {
      const input = { name: world.name() };
      await make(world, "createTenant", "token", input);
      return { tenant: input.name, enabled: false, reason: "It has left." };
    },
    isRepeatable: true,
    subject: "tenant:",
  },
  updateTenantSettings: {
    async prepare({ server }) {
      const query = "{ tenantSettings { allowSelfApproval } }";
      const answer = await server.client().request<{ tenantSettings: { allowSelfApproval: boolean } }>(query);
      return { allowSelfApproval: !answer.tenantSettings.allowSelfApproval };
    },
    isRepeatable: true,
    subject: "tenant:",
  },
  createAgentEnrolment: { prepare: (world) => ({ name: world.name() }), subject: "agent:" },
  enrolAgent: { prepare: async (world) => ({ token: await enrolment(world) }), subject: "agent:" },
  revokeAgent: {
    async prepare(world) {
      const token = await enrolment(world);
      return { agentId: (await make<{ agentId: string }>(world, "enrolAgent", "agentId", { token })).agentId };
    },
    subject: "agent:",
  },
};

async function enrolment(world: DeedWorld): Promise<string> {
  const input = { name: world.name() };
  const made = await make<{ enrolmentToken: string }>(world, "createAgentEnrolment", "enrolmentToken", input);
  expect(made.enrolmentToken).not.toBe("");
  return made.enrolmentToken;
}

/** Mutations that leave no entry, and why. */
export const notAudited: Readonly<Record<string, string>> = {
  validateAction: "changes nothing",
  validatePlaybook: "changes nothing",
  renewAgentTask: "says that an agent is at work: what it is at work on was started by somebody, and is in a run",
  reportAgentLog: "is a run's log",
  completeAgentTask: "is a step's outcome, in its run",
};
