import { expect, vi } from "vitest";
import { localId } from "../../src/core/global-id.ts";
import { insertApproval } from "../approvals/approval-fixtures.ts";
import { insertTask } from "../opservant/insert-task.ts";
import type { TestServer } from "../support/server.ts";
import { canary, definitionOf, liveAction, playbookSource, type References } from "./root-fields.ts";

export interface Answer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Record<string, unknown> }[];
}

/** Sends a query or mutation; `null` for a caller without a token. */
export async function send(
  server: TestServer,
  token: string | null,
  query: string,
  variables: object = {},
): Promise<Answer> {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as Answer;
}

interface Stream {
  readonly token: string | null;
  readonly query: string;
  readonly variables: object;
  /** Makes something happen that an endless stream tells; called again and again until it has. */
  readonly stir?: () => Promise<unknown>;
}

/** What a subscription answers first; `{}` when it ends without an answer. */
export async function firstAnswer(server: TestServer, { token, query, variables, stir }: Stream): Promise<Answer> {
  const stream = server.subscribe(token, query, { ...variables });
  let answer: Answer | undefined;
  const answered = stream.next().then(
    (result) => {
      answer = result.done ? {} : (result.value as Answer);
    },
    (errors: unknown) => {
      if (!Array.isArray(errors)) throw errors;
      answer = { errors: errors as NonNullable<Answer["errors"]> };
    },
  );
  while (stir && !answer) await Promise.race([answered, stir()]);
  await answered;
  await stream.return?.();
  return answer ?? {};
}

export function codesOf({ errors }: Answer): unknown[] {
  return (errors ?? []).map(({ extensions }) => extensions?.["code"]);
}

/** A tenant of its own for each call, with an action to execute. */
export async function makeStranger(server: TestServer, name: string): Promise<string> {
  const { token } = await mutate<{ token: string }>(server, server.adminToken, "createTenant", "token", { name });
  await mutate(server, token, "registerAction", "action { id }", { definition: definitionOf("own-action") });
  return token;
}

/** Asks for an approval and executes an action, the caller's own by default: something that streams of its tenant tell. */
export async function stir(server: TestServer, token: string, input: object = { ref: "own-action" }): Promise<void> {
  await insertApproval(server.orm, { tenantId: await tenantOf(server, token), message: JSON.stringify(input) });
  await mutate(server, token, "dispatchLiveAction", "dispatch { id }", liveAction({ caseId: JSON.stringify(input) }));
  await mutate(server, token, "executeAction", "run { id }", input);
}

async function tenantOf(server: TestServer, token: string): Promise<string> {
  const { data } = await send(server, token, "{ viewer { tenant { id } } }");
  return localId("Tenant", (data as { viewer: { tenant: { id: string } } }).viewer.tenant.id) ?? "";
}

/** Calls a mutation that must succeed, and answers its payload. */
export async function mutate<Payload>(
  server: TestServer,
  token: string,
  name: string,
  selection: string,
  input: object,
): Promise<Payload> {
  const capital = name.charAt(0).toUpperCase() + name.slice(1);
  const inputType = capital === "DispatchLiveAction" ? "LiveActionInput" : `${capital}Input`;
  const query = `mutation ($input: ${inputType}!) { ${name}(input: $input) { __typename ... on ${capital}Payload { ${selection} } ... on Failure { code message } } }`;
  const answer = await send(server, token, query, { input });
  expect(answer).toMatchObject({ data: { [name]: { __typename: `${capital}Payload` } } });
  return answer.data?.[name] as Payload;
}

interface Seeded {
  viewer: { tenant: { id: string } };
  action: { id: string; uuid: string; activeVersion: { id: string } };
  playbook: { id: string; activeVersion: { id: string } };
  run: { lastCursor: string | null; steps: { id: string }[] };
  apiTokens: Page;
  secrets: Page;
  actions: Page;
  playbooks: Page;
  runs: Page;
  approvals: Page;
  liveActionDispatches: Page;
  auditEntries: Page;
  agents: Page;
}
interface Page {
  edges: { cursor: string; node?: { id: string } }[];
}

const cursor = ({ edges }: Page) => edges[0]?.cursor ?? "";
const firstId = ({ edges }: Page) => edges[0]?.node?.id ?? "";

/** Gives the first tenant one thing of every kind, each with the canary in its name, and answers what there is to refer to. */
export async function seed(server: TestServer): Promise<References> {
  const make = <Payload>(name: string, selection: string, input: object) =>
    mutate<Payload>(server, server.adminToken, name, selection, input);
  const [actionName, playbookKey, secretName, variableName] = ["action", "playbook", "secret", "variable"].map(
    (kind) => `${canary}-${kind}`,
  ) as [string, string, string, string];
  const tokenName = `${canary} token`;
  const idempotencyKey = `${canary}-key`;
  const definition = definitionOf(actionName, { tags: [canary] });
  await make("registerAction", "action { id }", { definition });
  await make("registerPlaybook", "playbook { id }", {
    source: `${playbookSource(playbookKey, actionName)}\ntags: [${canary}]`,
  });
  const put = { name: secretName, value: canary };
  const { secret } = await make<{ secret: { id: string } }>("putSecret", "secret { id }", put);
  const variablePut = { name: variableName, value: canary };
  const { variable } = await make<{ variable: { id: string } }>("putVariable", "variable { id }", variablePut);
  const tokenInput = { name: tokenName, roles: ["viewer"] };
  const { apiToken } = await make<{ apiToken: { id: string } }>("createApiToken", "apiToken { id }", tokenInput);
  await seedSeconds(server, actionName);
  await make("executeAction", "run { id }", { ref: actionName, idempotencyKey });
  const { run } = await make<{ run: { id: string } }>("executePlaybook", "run { id }", {
    key: playbookKey,
    context: { finding: { title: canary } },
  });
  const eventKey = `${canary}-event`;
  const eventId = await seedEvent(make, eventKey);
  const dispatchRequest = `${canary}-request`;
  await seedLiveActions(make, dispatchRequest);
  const agent = await seedAgents(server, make);
  const seeded = await readSeeded(server, { id: run.id, ref: actionName, key: playbookKey });
  return {
    ...seenIn(seeded),
    tokenId: apiToken.id,
    secretId: secret.id,
    variableId: variable.id,
    runId: run.id,
    actionName,
    playbookKey,
    secretName,
    variableName,
    tokenName,
    idempotencyKey,
    eventId,
    eventKey,
    dispatchRequest,
    ...agent,
  };
}

/** What there is to refer to of what was read. */
function seenIn(seeded: Seeded) {
  return {
    tenantId: seeded.viewer.tenant.id,
    actionId: seeded.action.id,
    actionVersionId: seeded.action.activeVersion.id,
    playbookId: seeded.playbook.id,
    playbookVersionId: seeded.playbook.activeVersion.id,
    stepId: seeded.run.steps[0]?.id ?? "",
    approvalId: firstId(seeded.approvals),
    actionUuid: seeded.action.uuid,
    tokenCursor: cursor(seeded.apiTokens),
    nameCursor: cursor(seeded.secrets),
    actionCursor: cursor(seeded.actions),
    playbookCursor: cursor(seeded.playbooks),
    runCursor: cursor(seeded.runs),
    approvalCursor: cursor(seeded.approvals),
    eventCursor: seeded.run.lastCursor ?? "",
    dispatchId: firstId(seeded.liveActionDispatches),
    dispatchCursor: cursor(seeded.liveActionDispatches),
    auditEntryId: firstId(seeded.auditEntries),
    auditCursor: cursor(seeded.auditEntries),
    agentId: firstId(seeded.agents),
    agentCursor: cursor(seeded.agents),
  };
}

type Make = <Payload>(name: string, selection: string, input: object) => Promise<Payload>;

async function seedEvent(make: Make, key: string): Promise<string> {
  const input = { type: "finding.new", key, data: { finding: { title: canary } } };
  return (await make<{ event: { id: string } }>("emitEvent", "event { id }", input)).event.id;
}

/** Two agents, and a task of the last. */
async function seedAgents(server: TestServer, make: Make) {
  const agentName = `${canary} agent`;
  let agentUuid = "";
  for (const name of [`${agentName} more`, agentName]) {
    const { enrolmentToken: token } = await make<{ enrolmentToken: string }>("createAgentEnrolment", "enrolmentToken", {
      name,
    });
    agentUuid = (await make<{ agentId: string }>("enrolAgent", "agentId", { token })).agentId;
  }
  const task = await insertTask(server.orm, {
    tenantId: await tenantOf(server, server.adminToken),
    agentId: agentUuid,
  });
  return { agentName, agentUuid, taskUuid: task.id };
}

/** Two dispatches, a pin and a policy. */
async function seedLiveActions(make: Make, requestId: string): Promise<void> {
  for (const id of [`${requestId}-more`, requestId]) {
    const input = liveAction({ requestId: id, target: canary, caseId: requestId });
    await make("dispatchLiveAction", "dispatch { id }", input);
  }
  await make("pinVendor", "pin { vendorId }", { capability: "isolate_host", vendorId: "defender" });
  await make("setLiveActionPolicy", "policy { capability }", { capability: requestId, callsPerDay: 7 });
}

/** A second one of each kind: a stranger has at most one, so that a count over all tenants is seen. Of requests for approval both. */
async function seedSeconds(server: TestServer, actionName: string): Promise<void> {
  const make = (name: string, selection: string, input: object) =>
    mutate(server, server.adminToken, name, selection, input);
  await make("registerAction", "action { id }", { definition: definitionOf(`${canary}-action-more`) });
  await make("registerPlaybook", "playbook { id }", { source: playbookSource(`${canary}-playbook-more`, actionName) });
  await make("putSecret", "secret { id }", { name: `${canary}-secret-more`, value: canary });
  await make("putVariable", "variable { id }", { name: `${canary}-variable-more`, value: canary });
  const tenantId = await tenantOf(server, server.adminToken);
  for (const message of [canary, `${canary} more`]) await insertApproval(server.orm, { tenantId, message });
}

async function readSeeded(server: TestServer, variables: { id: string; ref: string; key: string }): Promise<Seeded> {
  const page = "(first: 1) { edges { cursor } }";
  const query = `query ($id: ID!, $ref: ActionRef!, $key: String!) {
    viewer { tenant { id } }
    action(ref: $ref) { id uuid activeVersion { id } }
    playbook(key: $key) { id activeVersion { id } }
    run(id: $id) { lastCursor steps { id } }
    apiTokens${page} secrets${page} actions${page} playbooks${page} runs${page}
    approvals(first: 1) { edges { cursor node { id } } }
    liveActionDispatches(first: 1) { edges { cursor node { id } } }
    auditEntries(first: 1) { edges { cursor node { id } } }
    agents(first: 1) { edges { cursor node { id } } }
  }`;
  const read = async () => (await send(server, server.adminToken, query, variables)) as unknown as { data: Seeded };
  // The run goes on beside us; its first event has a cursor.
  await vi.waitUntil(async () => (await read()).data.run.lastCursor !== null, { timeout: 20_000, interval: 20 });
  return (await read()).data;
}
