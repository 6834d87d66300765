import { expect } from "vitest";
import type { TestServer } from "../support/server.ts";

/** What an action on an agent is, but for what a test says. */
export interface AgentAction {
  readonly name: string;
  readonly agentId: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Registers an action with one script, `work.sh`, which an agent is to run. */
export async function registerAgentAction(
  server: Pick<TestServer, "client">,
  { name, agentId, fields }: AgentAction,
): Promise<void> {
  const definition = {
    ...{ name, version: "1.0.0", type: "enrichment", description: "Runs on an agent.", parameters: [] },
    executor: { type: "opservant", target: agentId },
    ...fields,
  };
  const files = [{ path: "work.sh", content: "echo '{}'\n", executable: true }];
  const query = `mutation($input: RegisterActionInput!) { registerAction(input: $input) { __typename
    ... on ValidationFailure { issues { path message } } } }`;
  const { registerAction } = await server.client().request<{ registerAction: object }>(query, {
    input: { definition, files },
  });
  expect(registerAction).toEqual({ __typename: "RegisterActionPayload" });
}

export async function execute(
  server: Pick<TestServer, "client">,
  ref: string,
  parameters: object = {},
): Promise<string> {
  const query = `mutation($input: ExecuteActionInput!) { executeAction(input: $input) { __typename
    ... on ExecuteActionPayload { run { id } } ... on Failure { code message } } }`;
  const { executeAction } = await server.client().request<{ executeAction: { run: { id: string } } }>(query, {
    input: { ref, parameters },
  });
  expect(executeAction).toMatchObject({ __typename: "ExecuteActionPayload" });
  return executeAction.run.id;
}

export async function cancel(server: Pick<TestServer, "client">, id: string): Promise<void> {
  const query = "mutation($input: CancelRunInput!) { cancelRun(input: $input) { __typename } }";
  const answer = await server.client().request(query, { input: { id } });
  expect(answer).toEqual({ cancelRun: { __typename: "CancelRunPayload" } });
}

export interface RunSeen {
  readonly status: string;
  readonly steps: readonly {
    readonly status: string;
    readonly attempt: number;
    readonly output: unknown;
    readonly error: { readonly code: string; readonly message: string } | null;
  }[];
  readonly logs: readonly string[];
  /** Every status that its one step has taken. */
  readonly statuses: readonly string[];
}

const seeing = `query($id: ID!) { run(id: $id) { status steps { status attempt output error { code message } }
  events(first: 100) { edges { node { __typename ... on LogEvent { text } ... on StepStatusEvent { status } } } } } }`;

export async function see(server: Pick<TestServer, "client">, id: string): Promise<RunSeen> {
  const { run } = await server
    .client()
    .request<{ run: RunSeen & { events: { edges: { node: Node }[] } } }>(seeing, { id });
  const nodes = run.events.edges.map(({ node }) => node);
  return {
    ...run,
    logs: nodes.flatMap(({ text }) => text ?? []),
    statuses: nodes.flatMap(({ __typename, status }) => (__typename === "StepStatusEvent" && status ? [status] : [])),
  };
}

interface Node {
  readonly __typename: string;
  readonly text?: string;
  readonly status?: string;
}

/** The run once it has ended. */
export async function seeEnded(server: Pick<TestServer, "client">, id: string): Promise<RunSeen> {
  const running = new Set(["QUEUED", "RUNNING", "WAITING"]);
  let run = await see(server, id);
  await expect
    .poll(async () => {
      run = await see(server, id);
      return running.has(run.status);
    })
    .toBe(false);
  return run;
}

/** As if so much time had passed for the task: of its offer or lease, and of its own time where `deadline` says so. */
export async function letTimePass(server: TestServer, taskId: string, what: "lease" | "deadline"): Promise<void> {
  const column = { lease: "lease_until", deadline: "deadline_at" }[what];
  const em = server.orm.em.fork();
  await em.execute(`update agent_task set ${column} = now() - interval '1 second' where id = ?`, [taskId]);
  await em.execute(
    "select pg_notify('riposte_agent', agent_id::text), pg_notify('riposte_agent', id::text) from agent_task where id = ?",
    [taskId],
  );
}
