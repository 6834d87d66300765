import { newId } from "../../src/core/ids.ts";

/** Marks every name of the tenant that owns the things, so that a leak of any of them is seen. */
export const canary = "canary-a";
/** As long as the canary, so that columns in messages stay where they are. */
const neverThere = "never-wa";

/** What a caller could know of another tenant's things, by kind. */
export interface References {
  readonly tenantId: string;
  readonly tokenId: string;
  readonly secretId: string;
  readonly variableId: string;
  readonly actionId: string;
  readonly actionVersionId: string;
  readonly playbookId: string;
  readonly playbookVersionId: string;
  readonly runId: string;
  readonly stepId: string;
  readonly approvalId: string;
  readonly actionUuid: string;
  readonly actionName: string;
  readonly playbookKey: string;
  readonly secretName: string;
  readonly variableName: string;
  readonly tokenName: string;
  readonly idempotencyKey: string;
  readonly eventId: string;
  readonly eventKey: string;
  readonly tokenCursor: string;
  readonly nameCursor: string;
  readonly actionCursor: string;
  readonly playbookCursor: string;
  readonly runCursor: string;
  readonly approvalCursor: string;
  readonly eventCursor: string;
  readonly dispatchId: string;
  readonly dispatchRequest: string;
  readonly dispatchCursor: string;
  readonly auditEntryId: string;
  readonly auditCursor: string;
  readonly agentId: string;
  readonly agentUuid: string;
  readonly agentName: string;
  readonly agentCursor: string;
  readonly taskUuid: string;
}

/** The same references to things that never were: other UUIDs and names, in the same shapes. */
export function neverWere(references: References): References {
  const uuids = new Map<string, string>();
  const replaced = (text: string) =>
    text
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (uuid) => {
        if (!uuids.has(uuid)) uuids.set(uuid, uuid[14] === "4" ? crypto.randomUUID() : newId());
        return uuids.get(uuid) as string;
      })
      .replaceAll(canary, neverThere);
  const never = (text: string) => {
    const decoded = Buffer.from(text, "base64").toString();
    if (/^[\x20-\x7e]+$/.test(decoded) && replaced(decoded) !== decoded) {
      return Buffer.from(replaced(decoded)).toString(text.endsWith("=") ? "base64" : "base64url");
    }
    return replaced(text);
  };
  return Object.fromEntries(
    Object.entries(references).map(([name, text]) => [name, never(text)]),
  ) as unknown as References;
}

type Arguments = Readonly<Record<string, unknown>>;

export interface RootFieldRow {
  /** Calls with references in every place that takes one; a field that takes none is called once, without. */
  readonly calls: (refs: References) => readonly Arguments[];
  /** A stream that waits for something to happen, rather than answer or refuse at once. */
  readonly isEndless?: true;
  /** Nobody needs to have signed in. */
  readonly isOpen?: true;
}

const plain: RootFieldRow = { calls: () => [{}] };
const input = (...make: ((refs: References) => Arguments)[]): RootFieldRow => ({
  calls: (refs) => make.map((one) => ({ input: one(refs) })),
});
const page = (cursor: keyof References, filter?: (refs: References) => readonly Arguments[]): RootFieldRow => ({
  calls: (refs) => [
    { first: 5 },
    { first: 5, after: refs[cursor] },
    { last: 5, before: refs[cursor] },
    ...(filter?.(refs) ?? []).map((one) => ({ first: 5, filter: one })),
  ],
});

const nodeIds = (refs: References) =>
  Object.entries(refs)
    .filter(([name]) => name.endsWith("Id"))
    .map(([, id]) => id);

/** References to an action, in every shape. */
const actionRefs = ({ actionName, actionUuid }: References) => [
  actionName,
  `${actionName}@1.0`,
  `${actionName}@1.0.0`,
  actionUuid,
  actionUuid.slice(0, 8),
];

export function definitionOf(name: string, fields: Arguments = {}): Arguments {
  return {
    name,
    version: "1.0.0",
    type: "notification",
    description: `${name} in a test`,
    parameters: [],
    executor: { type: "remote", target: "http://127.0.0.1:1/" },
    ...fields,
  };
}

/** A live action that no vendor has: it is written down and calls nobody. */
export function liveAction(fields: Arguments): Arguments {
  return { capability: "notify", target: "somebody", ...fields };
}

export function playbookSource(key: string, actionRef: string, version = "1.0.0"): string {
  return [
    `id: ${key}`,
    `name: ${key}`,
    `version: "${version}"`,
    "trigger: {event: manual}",
    `steps: [{id: one, name: One, type: action, action_ref: "${actionRef}"}]`,
  ].join("\n");
}

/** Every root field of the schema: how it is called in the tests of who may do what. A field without a row fails them. */
export const rootFields: Readonly<Record<string, RootFieldRow>> = {
  "Query.action": { calls: (refs) => actionRefs(refs).map((ref) => ({ ref })) },
  "Query.actionDefinitionSchema": plain,
  "Query.actions": page("actionCursor", (refs) => [{ search: refs.actionName }, { tags: [canary] }]),
  "Query.agents": page("agentCursor"),
  "Query.apiTokens": page("tokenCursor"),
  "Query.approvals": page("approvalCursor", () => [{ status: "PENDING" }]),
  "Query.auditEntries": page("auditCursor", (refs) => [
    { subject: `secret:${refs.secretName}` },
    { operation: refs.secretName, since: "2026-01-01T00:00:00Z", until: "2099-01-01T00:00:00Z" },
  ]),
  "Query.capability": { calls: (refs) => [{ name: "isolate_host" }, { name: refs.secretName }] },
  "Query.liveActions": {
    calls: (refs) => [
      {},
      { filter: { configured: true } },
      { filter: { capability: refs.secretName, vendorId: "okta" } },
    ],
  },
  "Query.liveActionDispatches": page("dispatchCursor", (refs) => [{ caseId: refs.dispatchRequest }]),
  "Query.liveActionPolicies": plain,
  "Query.liveActionUsage": { calls: () => [{ from: "2026-01-01T00:00:00Z", to: "2099-01-01T00:00:00Z" }] },
  "Query.node": { calls: (refs) => nodeIds(refs).map((id) => ({ id })) },
  "Query.nodes": { calls: (refs) => [{ ids: [refs.tenantId] }, { ids: nodeIds(refs) }] },
  "Query.playbook": { calls: (refs) => [{ key: refs.playbookKey }] },
  "Query.playbookSchema": plain,
  "Query.playbooks": page("playbookCursor", (refs) => [{ search: refs.playbookKey }, { tags: [canary] }]),
  "Query.run": { calls: (refs) => [{ id: refs.runId }, { id: refs.stepId }, { id: refs.tokenId }] },
  "Query.runs": page("runCursor", (refs) => [
    { playbook: refs.playbookKey },
    ...actionRefs(refs).map((action) => ({ action })),
  ]),
  "Query.secrets": page("nameCursor"),
  "Query.tenantSettings": plain,
  "Query.variables": page("nameCursor"),
  "Query.vendor": { calls: (refs) => [{ id: "okta" }, { id: refs.secretName }] },
  "Query.vendorPins": plain,
  "Query.verifyAudit": plain,
  "Query.viewer": plain,

  "Mutation.cancelRun": input(
    (refs) => ({ id: refs.runId }),
    (refs) => ({ id: refs.playbookId }),
  ),
  "Mutation.completeAgentTask": input((refs) => ({ taskId: refs.taskUuid, exitCode: 0 })),
  "Mutation.createAgentEnrolment": input((refs) => ({ name: refs.agentName })),
  "Mutation.createApiToken": input((refs) => ({ name: refs.tokenName, roles: ["viewer"] })),
  "Mutation.createTenant": input(() => ({ name: `t ${newId()}` })),
  "Mutation.decideApproval": input(
    (refs) => ({ id: refs.approvalId, decision: "APPROVE", comment: "Yes." }),
    (refs) => ({ id: refs.runId, decision: "REJECT" }),
  ),
  "Mutation.deleteSecret": input((refs) => ({ name: refs.secretName })),
  "Mutation.deleteVariable": input((refs) => ({ name: refs.variableName })),
  "Mutation.dispatchLiveAction": input(
    // Other arguments than the owner's: where its dispatch were seen, this would be a conflict.
    (refs) => liveAction({ requestId: refs.dispatchRequest, caseId: "own" }),
    (refs) => liveAction({ vendorId: "okta", params: { okta_api_token: { $secret: refs.secretName } } }),
  ),
  "Mutation.dryRunLiveAction": input((refs) => liveAction({ requestId: refs.dispatchRequest, requestedBy: "own" })),
  "Mutation.emitEvent": input(
    // Other data than the owner's: where its event were seen, this would be a conflict.
    (refs) => ({ type: "finding.new", key: refs.eventKey, data: { finding: { title: "other" } } }),
    () => ({ type: "finding.nwe", data: {} }),
  ),
  "Mutation.enrolAgent": { ...input(() => ({ token: "rip_never", version: "1.0.0" })), isOpen: true },
  "Mutation.executeAction": {
    calls: (refs) => [
      ...actionRefs(refs).map((ref) => ({ input: { ref } })),
      { input: { ref: "own-action", idempotencyKey: refs.idempotencyKey } },
    ],
  },
  "Mutation.executePlaybook": input(
    (refs) => ({ key: refs.playbookKey }),
    (refs) => ({ key: refs.playbookKey, version: "1.0.0" }),
  ),
  "Mutation.pinVendor": input(() => ({ capability: "isolate_host", vendorId: "crowdstrike" })),
  "Mutation.putSecret": input((refs) => ({ name: refs.secretName, value: "value" })),
  "Mutation.putVariable": input((refs) => ({ name: refs.variableName, value: "value" })),
  "Mutation.registerAction": input(
    (refs) => definition(definitionOf(refs.actionName)),
    (refs) => definition(definitionOf(`${refs.actionName}-2`, { id: refs.actionUuid })),
  ),
  "Mutation.registerActionVersion": input((refs) =>
    definition(definitionOf(`${refs.actionName}-3`, { version: "1.0.1" })),
  ),
  "Mutation.registerPlaybook": input(
    (refs) => ({ source: playbookSource(refs.playbookKey, "own-action") }),
    (refs) => ({ source: playbookSource("own-playbook", `${refs.actionName}-4`) }),
    (refs) => ({ source: playbookSource("own-playbook", refs.actionUuid) }),
  ),
  "Mutation.renewAgentTask": input((refs) => ({ taskId: refs.taskUuid })),
  "Mutation.reportAgentLog": input((refs) => {
    return { taskId: refs.taskUuid, from: 0, lines: [{ stream: "STDERR", text: "a line" }] };
  }),
  "Mutation.rerunFromFailure": input((refs) => ({ id: refs.runId })),
  "Mutation.revokeAgent": input(
    (refs) => ({ agentId: refs.agentUuid }),
    (refs) => ({ agentId: refs.agentId }),
  ),
  "Mutation.revokeApiToken": input(
    (refs) => ({ id: refs.tokenId }),
    (refs) => ({ id: refs.secretId }),
  ),
  "Mutation.revokePersonTokens": input(() => ({ issuer: "https://sso.example", subject: "alice" })),
  "Mutation.rollbackAction": {
    calls: (refs) => actionRefs(refs).map((ref) => ({ input: { ref, version: "1.0.0" } })),
  },
  "Mutation.rollbackLiveAction": input((refs) => ({ requestId: refs.dispatchRequest, reason: "test" })),
  "Mutation.rollbackPlaybook": input((refs) => ({ key: refs.playbookKey, version: "1.0.0" })),
  "Mutation.setActionEnabled": {
    calls: (refs) => actionRefs(refs).map((ref) => ({ input: { ref, enabled: false } })),
  },
  "Mutation.setLiveActionPolicy": input((refs) => ({
    capability: refs.dispatchRequest,
    ...{ vendorId: "okta", requireApproval: false, approvers: [{ role: "admin" }], callsPerDay: 5 },
  })),
  "Mutation.setPlaybookEnabled": input((refs) => ({ key: refs.playbookKey, enabled: false })),
  // One that never was: who may do it may do it to every tenant but their own.
  "Mutation.setTenantEnabled": input(() => ({ tenant: `t ${newId()}`, enabled: false, reason: "test" })),
  "Mutation.updateTenantSettings": input(() => ({ allowSelfApproval: true })),
  "Mutation.validateAction": input((refs) => definition(definitionOf(refs.actionName, { id: refs.actionUuid }))),
  "Mutation.validatePlaybook": input((refs) => ({ source: playbookSource(refs.playbookKey, refs.actionName) })),
  "Mutation.withdrawActionVersion": {
    calls: (refs) => actionRefs(refs).map((ref) => ({ input: { ref, version: "1.0.0", reason: "test" } })),
  },
  "Mutation.withdrawLiveAction": input((refs) => ({ requestId: refs.dispatchRequest, reason: "test" })),

  "Subscription.agentTasks": { calls: () => [{}], isEndless: true },
  "Subscription.approvalUpdates": { calls: () => [{}], isEndless: true },
  "Subscription.liveActionUpdates": { calls: () => [{}], isEndless: true },
  "Subscription.runEvents": ofRun(),
  "Subscription.runLogs": ofRun(),
  "Subscription.runUpdates": { calls: () => [{}], isEndless: true },
  "Subscription.stepUpdates": ofRun(),
};

function definition(value: Arguments): Arguments {
  return { definition: value };
}

function ofRun(): RootFieldRow {
  return { calls: ({ runId, eventCursor }) => [{ runId }, { runId, after: eventCursor }] };
}
