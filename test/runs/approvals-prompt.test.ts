import { setTimeout as sleep } from "node:timers/promises";
import { print } from "graphql";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ApprovalUpdatesDocument, type ApprovalUpdatesSubscription } from "../../client/generated/graphql.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";
import { Office } from "./approvals-office.ts";

// Streams that only look by themselves once in an hour hear of a change by being told, or not at all.
vi.mock("../../src/core/limits.ts", async (original) => {
  const { limits } = await original<typeof import("../../src/core/limits.ts")>();
  return { limits: { ...limits, streamPollMs: 3_600_000 } };
});

type Update = ApprovalUpdatesSubscription["approvalUpdates"];

let office: Office;
let other: TestServer;
beforeAll(async () => {
  office = await Office.open();
  other = await startTestServer({ database: office.server.database });
  const ask = "{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}]";
  await office.registerPlaybook("ask", [`${ask}}`]);
  await office.registerPlaybook("hurry", [`${ask}, timeout: 300ms}`]);
});
afterAll(async () => {
  await other.close();
  await office.close();
});

/** A stream of a node that has begun, and what it is told of a run from now on. */
async function follow(node: TestServer): Promise<(runId: string, status: string) => Promise<Update>> {
  const stream = node.subscribe<ApprovalUpdatesSubscription>(office.leadToken, print(ApprovalUpdatesDocument), {});
  const next = async () => {
    const { value } = await stream.next();
    expect(value.errors).toBeUndefined();
    return value.data.approvalUpdates as Update;
  };
  const first = next();
  const isOpen = first.then(() => true);
  // A node tells others only once it has noticed that there are any.
  while (!(await Promise.race([isOpen, sleep(100, false)]))) await office.start("ask");
  return async (runId, status) => {
    for (;;) {
      const update = await next();
      if (update.approval.run?.id === runId && update.approval.status === status) return update;
    }
  };
}

describe.each([
  ["the node of the run", () => office.server],
  ["another node", () => other],
])("a subscriber on %s is told at once", (_which, node) => {
  test("what is asked, and what is decided", async () => {
    const told = await follow(node());
    const id = await office.start("ask");
    const { approval } = await told(id, "PENDING");
    await office.decide(approval.id, "REJECT");
    await told(id, "REJECTED");
  });

  test("what is decided on the other one", async () => {
    const told = await follow(node());
    const id = await office.start("ask");
    const { approval } = await told(id, "PENDING");
    const decider = node() === other ? office.server : other;
    await mutate(decider, office.leadToken, "decideApproval", "approval { id }", {
      ...{ id: approval.id, decision: "APPROVE" },
    });
    await told(id, "APPROVED");
  });

  test("what expires, and what is closed", async () => {
    const told = await follow(node());
    await told(await office.start("hurry"), "EXPIRED");
    const id = await office.start("ask");
    await told(id, "PENDING");
    await mutate(office.server, office.server.adminToken, "cancelRun", "run { id }", { id });
    await told(id, "CLOSED");
  });
});
