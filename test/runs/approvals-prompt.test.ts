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
let other: TestServer | undefined;
beforeAll(async () => {
  office = await Office.open();
  await office.registerPlaybook("ask", ["{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}]}"]);
  await office.registerPlaybook("beside", stepsBeside(""));
  await office.registerPlaybook("hurry", stepsBeside(", timeout: 300ms"));
  await office.registerPlaybook("cut", stepsBeside("", ", timeout: 600ms"));
});
afterAll(async () => {
  office.release();
  await other?.close();
  await office.close();
});

/** A request in a branch, beside an action that goes on and on and before another one: the run's own status does not change with it. */
function stepsBeside(askFields: string, forkFields = ""): string[] {
  const ask = `{id: ask, type: approval, approvers: [{role: security_lead}]${askFields}}`;
  const branches = `[${ask}, {id: long, action_ref: hang@1.0, on_failure: continue}]`;
  return [
    "{id: note, name: Note, type: action, action_ref: note@1.0, on_success: fork}",
    `{id: fork, name: Fork, type: parallel, branches: ${branches}, on_success: end, on_failure: longer${forkFields}}`,
    "{id: longer, name: Longer, type: action, action_ref: hang@1.0}",
  ];
}

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

/** Runs are on the office's own node; decisions are made on a second one where there is one. */
const cases = [
  ["of the only node", async () => office.server],
  ["of the node of the run", async () => (await pair()).first],
  ["of another node", async () => (await pair()).second],
] as const;

async function pair(): Promise<{ first: TestServer; second: TestServer }> {
  other ??= await startTestServer({ database: office.server.database });
  return { first: office.server, second: other };
}

describe.each(cases)("a subscriber %s is told at once", (_which, nodeOf) => {
  let told: Awaited<ReturnType<typeof follow>>;
  beforeAll(async () => {
    told = await follow(await nodeOf());
  });

  test.each(["APPROVED", "REJECTED"])("what is asked, and what is %s", async (status) => {
    const id = await office.start("beside");
    const { approval } = await told(id, "PENDING");
    const input = { id: approval.id, decision: status === "APPROVED" ? "APPROVE" : "REJECT" };
    await mutate(other ?? office.server, office.leadToken, "decideApproval", "approval { id }", input);
    await told(id, status);
  });

  test("what expires", async () => {
    await told(await office.start("hurry"), "EXPIRED");
  });

  test("what is closed, with its run or without", async () => {
    await told(await office.start("cut"), "CLOSED");
    const id = await office.start("ask");
    await told(id, "PENDING");
    await mutate(office.server, office.server.adminToken, "cancelRun", "run { id }", { id });
    await told(id, "CLOSED");
  });
});
