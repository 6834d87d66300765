import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auditedVendor, vendorCalls } from "../audit/audited-vendor.ts";
import { Office } from "../runs/approvals-office.ts";
import { jwtOf, openTwoProviders, type TwoProviders } from "./people-fixtures.ts";
import { codesOf, mutate, send } from "./strangers.ts";

let providers: TwoProviders;
let office: Office;
beforeAll(async () => {
  providers = await openTwoProviders();
  office = await Office.open({ config: providers.config, adapters: [auditedVendor] });
  const ask = "{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}]}";
  await office.registerPlaybook("asking", [ask, "{id: block, name: Block, type: action, action_ref: block}"]);
  const isolate =
    "{id: isolate, name: Isolate, type: live_action, capability: isolate_host, vendor_id: audited, target: h}";
  await office.registerPlaybook("isolating", [isolate]);
  const policy = { capability: "isolate_host", requireApproval: true, approvers: [{ role: "security_lead" }] };
  await mutate(office.server, office.server.adminToken, "setLiveActionPolicy", "policy { capability }", policy);
});
afterAll(async () => {
  await office.close();
  await providers.close();
});

const alice = (roles: readonly string[], ago: number) => jwtOf(providers.own, "alice", { roles, ago });

/** Comes by: what their JWT says is known from then on. */
async function come(jwt: string): Promise<void> {
  expect(codesOf(await send(office.server, jwt, "{ viewer { name } }"))).toEqual([]);
}

/** The answer of the lead to a request. */
async function decide(id: string, decision = "APPROVE"): Promise<unknown> {
  const mutation = `mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) {
    ... on DecideApprovalPayload { approval { status } } ... on Failure { code } } }`;
  return (await send(office.server, office.leadToken, mutation, { input: { id, decision } })).data?.["decideApproval"];
}

interface Dispatched {
  readonly id: string;
  readonly approval: { readonly id: string };
}

/** A live action of the person that waits for approval. */
async function dispatch(jwt: string): Promise<Dispatched> {
  const input = { capability: "isolate_host", vendorId: "audited", target: `host-${crypto.randomUUID()}` };
  const selection = "dispatch { id approval { id } }";
  return (await mutate<{ dispatch: Dispatched }>(office.server, jwt, "dispatchLiveAction", selection, input)).dispatch;
}

async function endOf({ id }: Dispatched): Promise<unknown> {
  const read = "query ($id: ID!) { node(id: $id) { ... on LiveActionDispatch { state result { status error } } } }";
  await expect
    .poll(async () => (await send(office.server, office.server.adminToken, read, { id })).data, { timeout: 20_000 })
    .toMatchObject({ node: { state: "COMPLETED" } });
  return (await send(office.server, office.server.adminToken, read, { id })).data?.["node"];
}

describe("a person who loses the role by which they started a run, while it waits", () => {
  test("has it go on by nobody's yes, until they have the role again", async () => {
    const run = await office.start("asking", await alice(["operator"], 60));
    const { id } = await office.requestOf(run);
    const before = office.calls.length;
    await come(await alice(["viewer"], 50));
    expect(await decide(id)).toEqual({ code: "requester_lost_role" });
    // An older token of theirs still has it, for as long as it lives; that is no later word.
    await come(await alice(["operator"], 55));
    expect(await decide(id)).toEqual({ code: "requester_lost_role" });
    expect(office.calls).toHaveLength(before);
    await come(await alice(["viewer", "operator"], 40));
    expect(await decide(id)).toEqual({ approval: { status: "APPROVED" } });
    expect((await office.ended(run)).status).toBe("SUCCEEDED");
  });

  test("can have it ended by a no", async () => {
    const run = await office.start("asking", await alice(["operator"], 30));
    const { id } = await office.requestOf(run);
    await come(await alice([], 29));
    expect(await decide(id, "REJECT")).toEqual({ approval: { status: "REJECTED" } });
    expect((await office.ended(run)).error?.code).toBe("approval_rejected");
  });

  test("is not somebody else of that name at another provider, nor in another tenant", async () => {
    const run = await office.start("asking", await alice(["operator"], 20));
    const { id } = await office.requestOf(run);
    await come(await jwtOf(providers.other, "alice", { roles: ["viewer"] }));
    await mutate(office.server, office.server.adminToken, "createTenant", "token", { name: "customer" });
    await come(await jwtOf(providers.own, "alice", { roles: ["viewer"], tenant: "customer" }));
    expect(await decide(id)).toEqual({ approval: { status: "APPROVED" } });
    expect((await office.ended(run)).status).toBe("SUCCEEDED");
  });
});

describe("a person who loses the role by which they dispatched a live action, while it waits", () => {
  test("has it contact nobody", async () => {
    const lost = await dispatch(await alice(["operator"], 19));
    await come(await alice(["viewer"], 18));
    const before = vendorCalls.length;
    expect(await decide(lost.approval.id)).toEqual({ approval: { status: "APPROVED" } });
    expect(await endOf(lost)).toEqual({
      state: "COMPLETED",
      result: { status: "FAILED", error: "requester_lost_role" },
    });
    expect(vendorCalls).toHaveLength(before);
    const kept = await dispatch(await alice(["operator"], 17));
    await decide(kept.approval.id);
    expect(await endOf(kept)).toEqual({ state: "COMPLETED", result: { status: "SUCCEEDED", error: null } });
    expect(vendorCalls).toHaveLength(before + 1);
  });

  test("has it contact nobody for a step of a run either", async () => {
    const before = vendorCalls.length;
    const run = await office.start("isolating", await alice(["operator"], 16));
    const list = "{ approvals(first: 1, filter: { status: PENDING }) { edges { node { id } } } }";
    type Listed = { approvals: { edges: { node: { id: string } }[] } } | undefined;
    const listed = async () => (await send(office.server, office.leadToken, list)).data as Listed;
    await expect.poll(async () => (await listed())?.approvals.edges.length, { timeout: 20_000 }).toBe(1);
    await come(await alice([], 15));
    await decide((await listed())?.approvals.edges[0]?.node.id ?? "");
    const { status, steps } = await office.ended(run);
    expect([status, steps.map(({ error }) => error?.code)]).toEqual(["FAILED", ["requester_lost_role"]]);
    expect(vendorCalls).toHaveLength(before);
  });
});
