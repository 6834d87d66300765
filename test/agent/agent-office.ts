import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { TestServer } from "../support/server.ts";

/** The token of an enrolment. */
export async function enrolment(server: TestServer, name: string): Promise<string> {
  const query = `mutation($input: CreateAgentEnrolmentInput!) { createAgentEnrolment(input: $input) {
    ... on CreateAgentEnrolmentPayload { enrolmentToken } ... on Failure { code message } } }`;
  const { createAgentEnrolment } = await server
    .client()
    .request<{ createAgentEnrolment: { enrolmentToken: string } }>(query, { input: { name } });
  expect(createAgentEnrolment).toEqual({ enrolmentToken: expect.any(String) });
  return createAgentEnrolment.enrolmentToken;
}

interface AgentSeen {
  readonly agentId: string;
  readonly name: string;
  readonly status: string;
  readonly version: string | null;
}

export async function agentOf(server: TestServer, name: string): Promise<AgentSeen | undefined> {
  const query = "{ agents(first: 100) { edges { node { agentId name status version } } } }";
  const { agents } = await server.client().request<{ agents: { edges: { node: AgentSeen }[] } }>(query);
  return agents.edges.map(({ node }) => node).find((node) => node.name === name);
}

/** The agent once it is connected; the caller's own timeout is the bound. */
export async function connectedAgent(server: TestServer, name: string): Promise<AgentSeen> {
  for (;;) {
    const agent = await agentOf(server, name);
    if (agent?.status === "CONNECTED") return agent;
    await sleep(50);
  }
}

export async function revoke(server: TestServer, agentId: string): Promise<void> {
  const query = "mutation($input: RevokeAgentInput!) { revokeAgent(input: $input) { __typename } }";
  const answer = await server.client().request(query, { input: { agentId } });
  expect(answer).toEqual({ revokeAgent: { __typename: "RevokeAgentPayload" } });
}

interface ScriptAction {
  readonly name: string;
  readonly agentId: string;
  /** Of bash. */
  readonly script: string;
  readonly parameters?: readonly object[];
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Registers an action with one script that the agent is to run. */
export async function registerScript(
  server: TestServer,
  { name, agentId, script, parameters = [], fields }: ScriptAction,
): Promise<void> {
  const definition = {
    ...{ name, version: "1.0.0", type: "enrichment", description: "Runs on an agent.", parameters },
    executor: { type: "opservant", target: agentId },
    ...fields,
  };
  const files = [{ path: "work.sh", content: script }];
  const query = `mutation($input: RegisterActionInput!) { registerAction(input: $input) { __typename
    ... on ValidationFailure { issues { path message } } } }`;
  const { registerAction } = await server
    .client()
    .request<{ registerAction: object }>(query, { input: { definition, files } });
  expect(registerAction).toEqual({ __typename: "RegisterActionPayload" });
}
