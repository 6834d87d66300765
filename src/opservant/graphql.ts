import { ConflictFailure, ForbiddenError, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { builder } from "../graphql/builder.ts";
import type { AgentDesk } from "./agent-desk.ts";
import { type CreatedEnrolment, createAgentEnrolment } from "./create-agent-enrolment.ts";
import { enrolAgent } from "./enrol-agent.ts";
import { Agent } from "./entities.ts";
import { agentStatus, type agentStatuses, listAgents } from "./list-agents.ts";
import { revokeAgent } from "./revoke-agent.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly agentDesk: AgentDesk;
    /** The agents' program, as this server serves it. Rejects where it can't be made. */
    readonly agentFile: () => Promise<{ readonly path: string; readonly sha256: string }>;
  }
}

const AgentStatus = builder.enumType("AgentStatus", {
  description: "Whether an agent can be given tasks.",
  values: {
    CONNECTED: { description: "Its connection is open on some node." },
    DISCONNECTED: { description: "It has no connection; tasks wait for it until their time is over." },
    REVOKED: { description: "It was ended for good." },
  } satisfies Record<(typeof agentStatuses)[number], object>,
});

const AgentNode = builder.node(Agent, {
  name: "Agent",
  description: "A program on the customer's own machine that carries out actions whose executor.target names it.",
  id: { resolve: (agent) => agent.id, description: "Opaque." },
  loadOne: (id, context) => {
    if (!context.hasPermission("agent:read")) throw new ForbiddenError("You may not do this.");
    const { em, tenantId } = context.operation;
    return isUuid(id) ? em.findOne(Agent, { id, tenantId }) : null;
  },
  fields: (t) => ({
    agentId: t.string({ description: "What the target of an opservant action names.", resolve: ({ id }) => id }),
    name: t.exposeString("name", { description: "What people know it by." }),
    status: t.field({ type: AgentStatus, description: "Whether it can be given tasks.", resolve: agentStatus }),
    lastSeenAt: t.expose("lastSeenAt", {
      type: "DateTime",
      nullable: true,
      description: "When it was last heard of; null: never yet.",
    }),
    version: t.exposeString("version", { nullable: true, description: "Of its program, as it said when it enrolled." }),
  }),
});

builder.queryField("agents", (t) =>
  t.connection(
    {
      type: AgentNode,
      description: "The tenant's agents, the newest first, with the revoked.",
      authScopes: { permission: "agent:read" },
      resolve: (_root, args, { operation }) => listAgents(operation, args),
    },
    { name: "AgentConnection", description: "A page of agents." },
    { name: "AgentEdge", description: "An agent in a page." },
  ),
);

const CreateAgentEnrolmentInput = builder.inputType("CreateAgentEnrolmentInput", {
  description: "An agent that is to enrol.",
  fields: (t) => ({
    name: t.string({
      required: true,
      description: "What people will know it by; no agent of the tenant that is not revoked has it.",
    }),
    expiresAt: t.field({
      type: "DateTime",
      description: "Until when it may enrol, at most seven days from now; without it an hour.",
    }),
  }),
});

const CreateAgentEnrolmentPayload = builder.objectRef<CreatedEnrolment>("CreateAgentEnrolmentPayload").implement({
  description: "An agent may enrol, once.",
  fields: (t) => ({
    enrolmentToken: t.exposeString("enrolmentToken", {
      description: "What the agent is started with: in this answer once and nowhere else.",
    }),
    expiresAt: t.expose("expiresAt", { type: "DateTime", description: "Until when it can be used." }),
    agentFilePath: t.string({
      nullable: true,
      description:
        "Where this server has the agent's program: one JavaScript file, which Node 20 or newer runs as it is.",
      resolve: async (_enrolment, _args, { agentFile }) => (await agentFile()).path,
    }),
    agentFileSha256: t.string({
      nullable: true,
      description: "The SHA-256 of that file, hex: what sha256sum has to print where it was fetched.",
      resolve: async (_enrolment, _args, { agentFile }) => (await agentFile()).sha256,
    }),
  }),
});

builder.mutationField("createAgentEnrolment", (t) =>
  t.field({
    type: CreateAgentEnrolmentPayload,
    description: "Let one agent enrol, by a token that works once.",
    authScopes: { permission: "agent:write" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: CreateAgentEnrolmentInput, required: true, description: "Which agent." }) },
    resolve: (_root, { input }, { operation }) => createAgentEnrolment(operation, input),
  }),
);

const RevokeAgentInput = builder.inputType("RevokeAgentInput", {
  description: "Which agent to end.",
  fields: (t) => ({ agentId: t.string({ required: true, description: "The agent's agentId." }) }),
});

const RevokeAgentPayload = builder.objectRef<Agent>("RevokeAgentPayload").implement({
  description: "The agent's token is no longer valid.",
  fields: (t) => ({ agentId: t.string({ description: "Which agent it was.", resolve: ({ id }) => id }) }),
});

builder.mutationField("revokeAgent", (t) =>
  t.field({
    type: RevokeAgentPayload,
    description:
      "End an agent for good, on every node within seconds: its connection closes, its open tasks fail as agent_unavailable, those too that it was at work on.",
    authScopes: { permission: "agent:write" },
    errors: { types: [NotFoundFailure] },
    args: { input: t.arg({ type: RevokeAgentInput, required: true, description: "Which agent." }) },
    resolve: async (_root, { input }, { operation, authenticator }) => {
      const agent = await revokeAgent(operation, input.agentId);
      authenticator.forget(agent.hash);
      return agent;
    },
  }),
);

const EnrolAgentInput = builder.inputType("EnrolAgentInput", {
  description: "Who enrols.",
  fields: (t) => ({
    token: t.string({ required: true, description: "The enrolment's token: the only credential that is needed." }),
    version: t.string({ description: "Of the agent's program." }),
  }),
});

const EnrolAgentPayload = builder.objectRef<Awaited<ReturnType<typeof enrolAgent>>>("EnrolAgentPayload").implement({
  description: "The agent has enrolled.",
  fields: (t) => ({
    agentId: t.exposeString("agentId", { description: "Its id, which the target of its actions names." }),
    token: t.exposeString("token", {
      description:
        "What it signs in with from now on, until it is revoked: keep it where nobody else can read it. In this answer once and nowhere else.",
    }),
  }),
});

builder.mutationField("enrolAgent", (t) =>
  t.field({
    type: EnrolAgentPayload,
    description:
      "What an agent sends first, and once. Nobody needs to have signed in. A token that never was, has been used or is too old answers NotFoundFailure enrolment_invalid.",
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: EnrolAgentInput, required: true, description: "Who enrols." }) },
    resolve: (_root, { input }, { agentDesk }) => {
      agentDesk.turnstile.pass();
      return enrolAgent(agentDesk.em(), input);
    },
  }),
);
