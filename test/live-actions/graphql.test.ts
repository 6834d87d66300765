import { print } from "graphql";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  CapabilityCatalogueDocument,
  CapabilityDocument,
  DecideApprovalDocument,
  DispatchLiveActionDocument,
  DryRunLiveActionDocument,
  LiveActionHistoryDocument,
  type LiveActionInput,
  LiveActionPoliciesDocument,
  LiveActionUpdatesDocument,
  type LiveActionUpdatesSubscription,
  LiveActionUsageDocument,
  PendingApprovalsDocument,
  PinVendorDocument,
  PutSecretDocument,
  RollbackLiveActionDocument,
  SetLiveActionPolicyDocument,
  VendorDocument,
} from "../../client/generated/graphql.ts";
import { newId } from "../../src/core/ids.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";
import { makeTenant, makeToken } from "../tenancy/tenancy-fixtures.ts";
import { scriptedAdapter } from "./adapters.ts";

let server: TestServer;
beforeAll(async () => {
  const rollback = async () => ({ status: "SUCCEEDED", summary: "Let go.", details: {} }) as const;
  server = await startTestServer({ adapters: [scriptedAdapter({ rollback })] });
});
afterAll(() => server.close());

/** A tenant of one's own, by an admin's token. */
async function office() {
  const tenant = await makeTenant(server.orm, `office ${newId()}`);
  const member = async (...roles: string[]) => (await makeToken(server.orm, tenant, { roles, name: roles[0]! })).text;
  const token = await member("admin");
  const client = server.client(token);
  const put = async (secrets: Record<string, string>) => {
    for (const [name, value] of Object.entries(secrets))
      await client.request(PutSecretDocument, { input: { name, value } });
  };
  const dispatch = async (input: Partial<LiveActionInput> = {}) => {
    const asked = { capability: "isolate_host", vendorId: "acme", target: "host-77", ...input };
    const { dispatchLiveAction } = await client.request(DispatchLiveActionDocument, { input: asked });
    if (dispatchLiveAction.__typename !== "DispatchLiveActionPayload")
      throw new Error(JSON.stringify(dispatchLiveAction));
    return dispatchLiveAction.dispatch;
  };
  return { tenant, token, client, member, put, dispatch };
}
const credentials = { acme_id: "me", acme_token: "s3cret-t0ken" };

describe("the catalogue", () => {
  test("is every pair, with what a front end needs of it, sorted by vendor", async () => {
    const { client, put } = await office();
    await put({ okta_domain: "example.okta.com", okta_api_token: "token" });
    const { liveActions } = await client.request(CapabilityCatalogueDocument, {});
    const names = liveActions.map(({ vendorId, capability }) => `${vendorId} ${capability}`);
    expect(names).toEqual(names.toSorted());
    expect(liveActions.filter(({ source }) => source === "BUILTIN")).toHaveLength(19);
    expect(liveActions.every(({ description }) => description !== "")).toBe(true);
    expect(liveActions.find(({ vendorId }) => vendorId === "acme")).toEqual({
      ...{ capability: "isolate_host", vendorId: "acme", description: "Cuts a host off, in a test.", source: "PLUGIN" },
      ...{ requiresCredentials: true, credentialParams: ["acme_id", "acme_token", "acme_url"], impact: "HIGH" },
      ...{ reversible: true, rollbackSupported: true, costPerCall: 0, configured: false },
    });
    expect(liveActions.find(({ vendorId }) => vendorId === "generic")).toMatchObject({
      ...{ requiresCredentials: false, configured: true },
    });
    const configured = liveActions.filter((each) => each.configured && each.requiresCredentials);
    expect(new Set(configured.map(({ vendorId }) => vendorId))).toEqual(new Set(["okta"]));
  });

  test("is narrowed by all that a filter says together", async () => {
    const { client, put } = await office();
    await put(credentials);
    const pairs = async (filter: object) =>
      (await client.request(CapabilityCatalogueDocument, { filter })).liveActions.map(({ vendorId }) => vendorId);
    expect(await pairs({ capability: "isolate_host" })).toEqual(["acme", "crowdstrike", "defender"]);
    expect(await pairs({ capability: "isolate_host", vendorId: "defender" })).toEqual(["defender"]);
    expect(await pairs({ capability: "isolate_host", source: "PLUGIN" })).toEqual(["acme"]);
    expect(await pairs({ capability: "isolate_host", configured: false })).toEqual(["crowdstrike", "defender"]);
    expect(await pairs({ capability: "isolate_host", vendorId: "okta" })).toEqual([]);
    const whole = { capability: "isolate_host", vendorId: "acme", source: "PLUGIN", configured: true };
    expect(await pairs(whole)).toEqual(["acme"]);
    for (const other of [
      { capability: "run_script" },
      { vendorId: "defender" },
      { source: "BUILTIN" },
      { configured: false },
    ])
      expect(await pairs({ ...whole, ...other })).toEqual([]);
    expect(await pairs({ source: "BUILTIN", configured: true })).toEqual(["generic"]);
  });

  test("tells a capability's vendors, and a vendor's capabilities", async () => {
    const { client, put } = await office();
    await put(credentials);
    await client.request(PinVendorDocument, { input: { capability: "isolate_host", vendorId: "defender" } });
    expect((await client.request(CapabilityDocument, { capability: "isolate_host" })).capability).toEqual({
      ...{ name: "isolate_host", known: true, impact: "HIGH", reversedBy: "unisolate_host" },
      vendors: [
        { vendorId: "acme", configured: true, pinned: false },
        { vendorId: "crowdstrike", configured: false, pinned: false },
        { vendorId: "defender", configured: false, pinned: true },
      ],
    });
    const none = { known: true, vendors: [] };
    expect((await client.request(CapabilityDocument, { capability: "notify" })).capability).toMatchObject(none);
    expect((await client.request(CapabilityDocument, { capability: "make_coffee" })).capability).toBeNull();
    expect((await client.request(VendorDocument, { vendorId: "elastic" })).vendor).toEqual({
      ...{ vendorId: "elastic", capabilities: ["search_siem", "update_watcher"] },
    });
    expect((await client.request(VendorDocument, { vendorId: "nobody" })).vendor).toBeNull();
  });
});

describe("a live action", () => {
  test("is dispatched, and stands in the history with its actor and its result", async () => {
    const { client, dispatch, put, token } = await office();
    await put(credentials);
    const dispatched = await dispatch({ requestId: "r-1", caseId: "case-1", requestedBy: "alice" });
    expect(dispatched).toMatchObject({
      ...{ requestId: "r-1", state: "COMPLETED", mode: "LIVE", capability: "isolate_host", vendorId: "acme" },
      ...{ target: "host-77", caseId: "case-1", requestedBy: "alice", cost: 0, approval: null },
      actor: { kind: "TOKEN", name: "admin" },
      result: { status: "SUCCEEDED", summary: "Isolated host-77.", error: null, warnings: [] },
    });
    await dispatch({ vendorId: "nobody" });
    const page = async (filter?: object) =>
      (await client.request(LiveActionHistoryDocument, { first: 5, ...(filter ? { filter } : {}) }))
        .liveActionDispatches;
    const all = await page();
    expect(all.totalCount).toBe(2);
    expect(all.edges.map(({ node }) => node.result?.error ?? null)).toEqual(["executor_not_found", null]);
    expect(all.edges[1]?.node).toEqual(dispatched);
    for (const filter of [
      { status: "SUCCEEDED" },
      { caseId: "case-1" },
      { vendorId: "acme", since: "2026-01-01T00:00:00Z" },
    ])
      expect((await page(filter)).edges.map(({ node }) => node.id)).toEqual([dispatched.id]);
    expect((await page({ status: "SIMULATED" })).totalCount).toBe(0);
    const query = "query ($id: ID!) { node(id: $id) { ... on LiveActionDispatch { requestId rollbackOf { id } } } }";
    const found = await server.client(token).request<{ node: object }>(query, { id: dispatched.id });
    expect(found.node).toEqual({ requestId: "r-1", rollbackOf: null });
  });

  test("of another vendor's credentials, missing ones or an unknown pair is a result, not an error", async () => {
    const { dispatch } = await office();
    expect((await dispatch()).result).toMatchObject({
      ...{ status: "SIMULATED", details: { missing_credentials: ["acme_id", "acme_token"] } },
    });
    expect((await dispatch({ capability: "make_coffee" })).result).toMatchObject({
      ...{ status: "FAILED", error: "executor_not_found", details: { available_vendors_for_capability: [] } },
    });
  });

  test("is refused as a failure where the request is none, or a conflict", async () => {
    const { client, dispatch } = await office();
    const input = { requestId: "r-1", capability: "", target: "host-77" };
    const { dispatchLiveAction } = await client.request(DispatchLiveActionDocument, { input });
    expect(dispatchLiveAction).toMatchObject({
      ...{ __typename: "ValidationFailure", issues: [{ path: "$.capability", code: "required" }] },
    });
    await dispatch({ requestId: "r-1" });
    const again = { ...input, capability: "isolate_host", target: "host-78" };
    const conflict = await client.request(DispatchLiveActionDocument, { input: again });
    expect(conflict.dispatchLiveAction).toMatchObject({ __typename: "ConflictFailure", code: "request_conflict" });
  });

  test("is previewed, whatever the input says", async () => {
    const { client, put } = await office();
    await put(credentials);
    const input = { capability: "isolate_host", vendorId: "acme", target: "host-77", dryRun: false };
    const { dryRunLiveAction } = await client.request(DryRunLiveActionDocument, { input });
    expect(dryRunLiveAction).toMatchObject({ dispatch: { mode: "DRY_RUN", result: { status: "SIMULATED" } } });
  });

  test("is rolled back by its request id", async () => {
    const { client, dispatch, put } = await office();
    await put(credentials);
    await dispatch({ requestId: "r-1" });
    const input = { requestId: "r-1", reason: "Wrong host." };
    expect((await client.request(RollbackLiveActionDocument, { input })).rollbackLiveAction).toMatchObject({
      ...{ dispatch: { result: { status: "SUCCEEDED", summary: "Let go." } }, rolledBack: { requestId: "r-1" } },
    });
    expect((await client.request(RollbackLiveActionDocument, { input })).rollbackLiveAction).toMatchObject({
      ...{ __typename: "StateFailure", code: "rolled_back" },
    });
  });
});

describe("a live action that waits for people", () => {
  test("tells until when, and is withdrawn by its request id, which takes it off the list of what waits", async () => {
    const { token, client, dispatch, put } = await office();
    await put(credentials);
    const policy = { capability: "isolate_host", requireApproval: true, approvalTimeoutMinutes: 30 };
    const set = "policy { approvalTimeoutMinutes }";
    expect(await mutate(server, token, "setLiveActionPolicy", set, policy)).toMatchObject({
      policy: { approvalTimeoutMinutes: 30 },
    });
    const { requestId } = await dispatch();
    const pending = async () =>
      (await client.request(PendingApprovalsDocument, { first: 5 })).approvals.edges.map(({ node }) => node);
    const [waiting] = await pending();
    const times = [waiting?.expiresAt, waiting?.requestedAt].map((time) => Date.parse(String(time)) / 60_000);
    expect(Math.round(times[0]! - times[1]!)).toBe(30);
    const input = { requestId, reason: "False alarm." };
    const selection = "dispatch { state approval { status } result { status error details } }";
    expect(await mutate(server, token, "withdrawLiveAction", selection, input)).toMatchObject({
      dispatch: {
        ...{ state: "COMPLETED", approval: { status: "CLOSED" } },
        result: { status: "FAILED", error: "withdrawn", details: { withdrawn_by: "admin", reason: "False alarm." } },
      },
    });
    expect(await pending()).toEqual([]);
  });
});

describe("governance", () => {
  test("sets policies, asks people, and counts", async () => {
    const { client, dispatch, put, member } = await office();
    await put(credentials);
    const approvers = [{ role: "security_lead" }];
    const input = { capability: "isolate_host", requireApproval: true, approvers, costPerCall: 2.5, callsPerDay: 9 };
    await client.request(SetLiveActionPolicyDocument, { input });
    expect(await client.request(LiveActionPoliciesDocument)).toMatchObject({
      ...{ vendorPins: [], liveActionPolicies: [{ ...input, vendorId: null, approvers: [{ role: "security_lead" }] }] },
    });
    const waiting = await dispatch({ requestId: "r-1" });
    expect(waiting).toMatchObject({ state: "AWAITING_APPROVAL", result: null, approval: { status: "PENDING" } });
    const lead = server.client(await member("security_lead", "viewer"));
    const { approvals } = await lead.request(PendingApprovalsDocument, { first: 5 });
    expect(approvals.edges.map(({ node }) => node)).toMatchObject([
      { canDecide: true, run: null, dispatch: { requestId: "r-1", vendorId: "acme", target: "host-77" } },
    ]);
    const decision = { id: waiting.approval?.id ?? "", decision: "APPROVE" } as const;
    await lead.request(DecideApprovalDocument, { input: decision });
    const history = () => client.request(LiveActionHistoryDocument, { first: 1 });
    const node = await vi.waitUntil(
      async () => {
        const [edge] = (await history()).liveActionDispatches.edges;
        return edge?.node.state === "COMPLETED" ? edge.node : undefined;
      },
      { timeout: 20_000 },
    );
    expect(node).toMatchObject({ cost: 2.5, approval: { status: "APPROVED" }, result: { status: "SUCCEEDED" } });
    const span = { from: new Date(Date.now() - 1_000).toISOString(), to: new Date(Date.now() + 1_000).toISOString() };
    expect((await client.request(LiveActionUsageDocument, span)).liveActionUsage).toEqual([
      { vendorId: "acme", capability: "isolate_host", calls: 1, cost: 2.5 },
    ]);
  });
});

describe("the stream of live actions", () => {
  type Told = LiveActionUpdatesSubscription["liveActionUpdates"];

  test("tells each change, what leaves the filter too, and goes on from a cursor", async () => {
    const { token, dispatch, put } = await office();
    await put(credentials);
    const document = print(LiveActionUpdatesDocument);
    const open = (variables: object) =>
      server.subscribe<{ liveActionUpdates: Told }>(token, document, variables as Record<string, unknown>);
    const first = await dispatch({ requestId: "r-0" });
    const all = open({ after: Buffer.from("t0").toString("base64url") });
    const { value } = await all.next();
    expect(value?.data?.liveActionUpdates).toMatchObject({ matches: true, dispatch: first });
    await dispatch({ requestId: "r-1" });
    const rest = open({ filter: { status: "FAILED" }, after: value?.data?.liveActionUpdates.cursor });
    const seen: Told[] = [];
    for await (const { data } of rest) {
      if (data) seen.push(data.liveActionUpdates);
      if (data?.liveActionUpdates.dispatch.requestId === "r-1") break;
    }
    expect(seen.at(-1)).toMatchObject({ matches: false, dispatch: { state: "COMPLETED" } });
    await all.return?.();
  });
});
