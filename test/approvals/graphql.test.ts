import { setTimeout as sleep } from "node:timers/promises";
import { print } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ApprovalUpdatesDocument,
  type ApprovalUpdatesSubscription,
  DecideApprovalDocument,
  PendingApprovalsDocument,
} from "../../client/generated/graphql.ts";
import type { Approval } from "../../src/approvals/entities.ts";
import { newId } from "../../src/core/ids.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { codesOf, firstAnswer, send } from "../tenancy/strangers.ts";
import { makeTenant, makeToken } from "../tenancy/tenancy-fixtures.ts";
import { insertApproval } from "./approval-fixtures.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

interface Member {
  readonly id: string;
  readonly token: string;
}

/** A tenant with people in it, by their roles. */
async function makeOffice(): Promise<{ tenant: Tenant; member: (name: string, roles: string[]) => Promise<Member> }> {
  const tenant = await makeTenant(server.orm, `office ${newId()}`);
  return {
    tenant,
    async member(name, roles) {
      const { text, row } = await makeToken(server.orm, tenant, { name, roles });
      return { id: row.id, token: text };
    },
  };
}

const opaque = (id: string) => Buffer.from(`Approval:${id}`).toString("base64");

function decide({ token }: Member, id: string, decision: "APPROVE" | "REJECT" = "APPROVE") {
  const input = { id: opaque(id), decision, comment: "Seen." };
  return server.client(token).request(DecideApprovalDocument, { input });
}

describe("the inbox", () => {
  test("lists what is pending, newest first, with what a decision is about", async () => {
    const { tenant, member } = await makeOffice();
    const lead = await member("alice", ["viewer", "security_lead"]);
    const effect = { steps: [{ stepId: "block", name: "Block", action: "block-ip", version: "1.0.3" }] };
    const ask = (fields: Partial<Approval>) => insertApproval(server.orm, { tenantId: tenant.id, ...fields });
    const expiresAt = new Date(Date.now() + 3_600_000);
    const first = await ask({ effect, expiresAt, approvers: [{ role: "security_lead" }, { user: "bob" }] });
    await ask({ status: "CLOSED" });
    const second = await ask({ message: null });
    const third = await ask({ approvers: [{ user: "bob" }] });

    const page = await server.client(lead.token).request(PendingApprovalsDocument, { first: 2 });
    expect(page.approvals.totalCount).toBe(3);
    expect(page.approvals.edges.map(({ node }) => node.id)).toEqual([third, second].map(({ id }) => opaque(id)));
    const rest = await pageBehind(lead, opaque(second.id));
    expect(rest).toEqual([
      {
        id: opaque(first.id),
        status: "PENDING",
        message: "Isolate the host?",
        requestedAt: first.createdAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
        approvers: [
          { role: "security_lead", user: null },
          { role: null, user: "bob" },
        ],
        run: null,
        stepId: "ask",
        dispatch: null,
        effect,
        canDecide: true,
      },
    ]);
  });

  async function pageBehind({ token }: Member, id: string) {
    const cursors = `{ approvals { edges { cursor node { id } } } }`;
    const all = await server
      .client(token)
      .request<{ approvals: { edges: { cursor: string; node: { id: string } }[] } }>(cursors);
    const after = all.approvals.edges.find(({ node }) => node.id === id)?.cursor ?? "";
    const page = await server.client(token).request(PendingApprovalsDocument, { first: 5, after });
    return page.approvals.edges.map(({ node }) => node);
  }

  test("says of each request whether the caller can decide it now", async () => {
    const { tenant, member } = await makeOffice();
    const lead = await member("alice", ["viewer", "security_lead"]);
    const ask = (message: string, fields: Partial<Approval>) =>
      insertApproval(server.orm, { tenantId: tenant.id, message, ...fields });
    await ask("role", {});
    await ask("named", { approvers: [{ user: "alice" }] });
    await ask("another", { approvers: [{ user: "bob" }] });
    await ask("own", { requesterId: lead.id });
    await ask("late", { expiresAt: new Date(Date.now() - 1) });
    await ask("closed", { status: "CLOSED" });
    const read = async () => {
      const query = "{ approvals { edges { node { message canDecide } } } }";
      const { data } = (await send(server, lead.token, query)) as {
        data: { approvals: { edges: { node: { message: string; canDecide: boolean } }[] } };
      };
      return Object.fromEntries(data.approvals.edges.map(({ node }) => [node.message, node.canDecide]));
    };
    const others = { role: true, named: true, another: false, late: false, closed: false };
    expect(await read()).toEqual({ ...others, own: false });
    const settings = "mutation { updateTenantSettings(input: {allowSelfApproval: true}) { __typename } }";
    await send(server, (await member("root", ["admin"])).token, settings);
    expect(await read()).toEqual({ ...others, own: true });
  });

  test("is closed to who has no permission", async () => {
    const { member } = await makeOffice();
    const lead = await member("alice", ["security_lead"]);
    const answer = await send(server, lead.token, print(PendingApprovalsDocument), { first: 5 });
    expect(codesOf(answer)).toEqual(["FORBIDDEN"]);
  });
});

describe("decideApproval", () => {
  test("decides, and answers the request as it is now", async () => {
    const { tenant, member } = await makeOffice();
    const { id } = await insertApproval(server.orm, { tenantId: tenant.id });
    const { decideApproval } = await decide(await member("alice", ["security_lead", "viewer"]), id, "REJECT");
    expect(decideApproval).toMatchObject({
      __typename: "DecideApprovalPayload",
      approval: {
        ...{ id: opaque(id), status: "REJECTED", comment: "Seen." },
        decidedBy: { kind: "TOKEN", name: "alice" },
      },
    });
    expect((await decide(await member("bob", ["security_lead"]), id)).decideApproval).toMatchObject({
      __typename: "StateFailure",
      code: "approval_rejected",
      message: expect.stringContaining("alice"),
    });
  });

  test("is there for who is asked and has no permission at all, who sees that request, and no other", async () => {
    const { tenant, member } = await makeOffice();
    const lead = await member("alice", ["security_lead"]);
    const [mine, other] = [
      await insertApproval(server.orm, { tenantId: tenant.id }),
      await insertApproval(server.orm, { tenantId: tenant.id, approvers: [{ role: "ciso" }] }),
    ];
    expect((await decide(lead, mine.id)).decideApproval).toMatchObject({ approval: { status: "APPROVED" } });
    const node = "query ($id: ID!) { node(id: $id) { ... on Approval { status message } } }";
    expect(await send(server, lead.token, node, { id: opaque(mine.id) })).toEqual({
      data: { node: { status: "APPROVED", message: "Isolate the host?" } },
    });
    const foreign = await send(server, lead.token, node, { id: opaque(other.id) });
    expect(codesOf(foreign)).toContain("FORBIDDEN");
    expect(JSON.stringify(foreign)).not.toContain("Isolate");
  });

  test("is FORBIDDEN, with who may, to who is not asked", async () => {
    const { tenant, member } = await makeOffice();
    const { id } = await insertApproval(server.orm, { tenantId: tenant.id });
    const input = { id: opaque(id), decision: "APPROVE" };
    const root = await member("root", ["admin"]);
    const answer = await send(server, root.token, print(DecideApprovalDocument), { input });
    expect(answer.errors).toMatchObject([
      { message: expect.stringContaining("role security_lead"), extensions: { code: "FORBIDDEN" } },
    ]);
  });

  test("finds nothing of another tenant", async () => {
    const [ours, theirs] = [await makeOffice(), await makeOffice()];
    const { id } = await insertApproval(server.orm, { tenantId: theirs.tenant.id });
    const lead = await ours.member("alice", ["security_lead"]);
    expect((await decide(lead, id)).decideApproval).toMatchObject({ __typename: "NotFoundFailure" });
  });
});

describe("approvalUpdates", () => {
  type Update = ApprovalUpdatesSubscription["approvalUpdates"];

  function follow({ token }: Member, after: string | null = null) {
    return server.subscribe<ApprovalUpdatesSubscription>(token, print(ApprovalUpdatesDocument), { after });
  }

  async function nextOf(stream: ReturnType<typeof follow>): Promise<Update> {
    const { value } = await stream.next();
    expect(value.errors).toBeUndefined();
    return value.data.approvalUpdates;
  }

  /** The first update of a request that comes, others passed over. */
  async function updateOf(stream: ReturnType<typeof follow>, id: string): Promise<Update> {
    for (;;) {
      const update = await nextOf(stream);
      if (update.approval.id === opaque(id)) return update;
    }
  }

  test("tells from now on what is asked and what is decided, of the own tenant", async () => {
    const [ours, theirs] = [await makeOffice(), await makeOffice()];
    const [viewer, lead] = [await ours.member("val", ["viewer"]), await ours.member("alice", ["security_lead"])];
    const before = await insertApproval(server.orm, { tenantId: ours.tenant.id });
    const stream = follow(viewer);
    const markers: string[] = [];
    const first = nextOf(stream);
    const isOpen = first.then(() => true);
    while (!(await Promise.race([isOpen, sleep(20, false)]))) {
      await insertApproval(server.orm, { tenantId: theirs.tenant.id });
      markers.push(opaque((await insertApproval(server.orm, { tenantId: ours.tenant.id })).id));
    }
    expect(markers).toContain((await first).approval.id);
    await decide(lead, before.id);
    const { approval } = await updateOf(stream, before.id);
    expect(approval).toMatchObject({ status: "APPROVED", stepId: "ask" });
    await stream.return?.();
  });

  test("with a cursor tells everything that changed since, the latest state only", async () => {
    const { tenant, member } = await makeOffice();
    const [viewer, lead] = [await member("val", ["viewer"]), await member("alice", ["security_lead"])];
    const ask = () => insertApproval(server.orm, { tenantId: tenant.id });
    const [one, two] = [await ask(), await ask()];
    const stream = follow(viewer, Buffer.from("t0").toString("base64url"));
    const { cursor } = await updateOf(stream, two.id);
    await stream.return?.();
    await decide(lead, one.id);
    const three = await ask();
    await decide(lead, three.id, "REJECT");
    const later = follow(viewer, cursor);
    const told = new Map<string, string>();
    while (told.get(opaque(one.id)) !== "APPROVED" || !told.has(opaque(three.id))) {
      const { approval } = await nextOf(later);
      told.set(approval.id, approval.status);
    }
    expect(told.get(opaque(three.id))).toBe("REJECTED");
    await later.return?.();
  });

  test.each([
    ["an empty text", ""],
    ["NUL", "a\u0000b"],
    ["half a pair", "a\ud800b"],
    ["a long text", "x".repeat(100_000)],
    ["a cursor of a run", Buffer.from("r1").toString("base64url")],
  ])("refuses %s as a cursor", async (_kind, after) => {
    const { member } = await makeOffice();
    const { token } = await member("val", ["viewer"]);
    const query = print(ApprovalUpdatesDocument);
    expect(codesOf(await firstAnswer(server, { token, query, variables: { after } }))).toEqual(["BAD_USER_INPUT"]);
  });

  test("is closed to who has no permission", async () => {
    const { member } = await makeOffice();
    const { token } = await member("alice", ["security_lead"]);
    const answer = await firstAnswer(server, { token, query: print(ApprovalUpdatesDocument), variables: {} });
    expect(codesOf(answer)).toEqual(["FORBIDDEN"]);
  });
});
