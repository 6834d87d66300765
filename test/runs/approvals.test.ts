import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { localId } from "../../src/core/global-id.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTestServer } from "../support/server.ts";
import { codesOf, mutate, send } from "../tenancy/strangers.ts";
import { Office, statusesOf } from "./approvals-office.ts";

const block = '{id: block, name: Block, type: action, action_ref: block@1.0, parameters: {value: "{{ finding.ip }}"}}';
const page = "{id: page, name: Page, type: action, action_ref: page@1.0}";
const note = "{id: note, name: Note, type: action, action_ref: note@1.0}";

/** A step that asks the security lead, with more fields. */
function ask(fields = ""): string {
  return `{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}], message: "Block {{ finding.ip }}?", on_success: block${fields}}`;
}

let office: Office;
beforeAll(async () => {
  office = await Office.open();
  await office.registerPlaybook("plain", [ask(), block]);
  await office.registerPlaybook("fallbacks", [
    ask(", timeout: 1h, on_failure: page, on_timeout: note"),
    block,
    page,
    note,
  ]);
});
afterAll(() => office.close());
beforeEach(() => {
  office.calls.length = 0;
});

describe("a run that asks", () => {
  test("waits, shows what it asks, and goes on when it is approved", async () => {
    const id = await office.start("fallbacks");
    const request = await office.requestOf(id);
    expect(request).toMatchObject({
      ...{ status: "PENDING", message: "Block 10.0.0.7?", canDecide: true, stepId: "ask", run: { id } },
      effect: {
        steps: [
          { stepId: "block", name: "Block", action: "block", version: "1.0.0", parameters: { value: "10.0.0.7" } },
        ],
      },
    });
    expect(Date.parse(request.expiresAt ?? "")).toBeGreaterThan(Date.now());
    expect(office.calls).toEqual([]);
    await office.decide(request.id, "APPROVE");
    const run = await office.ended(id);
    expect(run.status).toBe("SUCCEEDED");
    expect(statusesOf(run)).toEqual({ ask: "succeeded", block: "succeeded", page: "skipped", note: "skipped" });
    expect(run.steps[0]?.output).toEqual({ decision: "approved", decidedBy: "lea", comment: "Seen." });
    expect(run.steps[0]?.approval).toMatchObject({ id: request.id, status: "APPROVED" });
    expect(office.calls).toEqual([{ action: "block", body: { value: "10.0.0.7" } }]);
  });

  test("goes to its fallback when it is rejected", async () => {
    const id = await office.start("fallbacks");
    await office.decide((await office.requestOf(id)).id, "REJECT");
    const run = await office.ended(id);
    expect(statusesOf(run)).toEqual({ ask: "failed", block: "skipped", page: "succeeded", note: "skipped" });
    expect(run.steps[0]?.error).toMatchObject({ code: "approval_rejected", message: "Rejected by lea: Seen." });
  });

  test("ends when it is rejected and has no fallback, whatever the playbook's strategy", async () => {
    await office.registerPlaybook("strategy", [ask(), block, note], ["on_failure: continue"]);
    const id = await office.start("strategy");
    await office.decide((await office.requestOf(id)).id, "REJECT");
    const run = await office.ended(id);
    expect([run.status, run.error?.code]).toEqual(["FAILED", "approval_rejected"]);
    expect(office.calls).toEqual([]);
  });

  test.each([
    ["goes on behind on_timeout", ", on_timeout: note", "SUCCEEDED", ["note"]],
    ["ends", "", "FAILED", []],
  ])("%s when nobody decides in time", async (what, fields, status, called) => {
    const key = `late-${what.split(" ")[0]}`;
    await office.registerPlaybook(key, [ask(`, timeout: 400ms${fields}`), block, note]);
    const id = await office.start(key);
    const run = await office.ended(id);
    expect(run.status).toBe(status);
    expect(statusesOf(run)["ask"]).toBe("timed_out");
    expect(run.steps[0]?.error?.code).toBe("approval_expired");
    expect(office.calls.map(({ action }) => action)).toEqual(called);
    const request = await office.requestOf(id);
    expect(request).toMatchObject({ status: "EXPIRED", canDecide: false });
    expect(await answerTo(request.id)).toMatchObject({ code: "approval_expired" });
  });

  test("that is cancelled closes its request", async () => {
    const id = await office.start("fallbacks");
    const request = await office.requestOf(id);
    await mutate(office.server, office.server.adminToken, "cancelRun", "run { id }", { id });
    expect((await office.ended(id)).status).toBe("CANCELLED");
    expect(await office.requestOf(id)).toMatchObject({ status: "CLOSED", canDecide: false });
    expect(await answerTo(request.id)).toMatchObject({ code: "approval_closed" });
    expect(office.calls).toEqual([]);
  });

  test("in several branches at once hears each of them", async () => {
    const branch = (id: string) => `{id: ${id}, type: approval, approvers: [{role: security_lead}]}`;
    const fork = `{id: fork, name: Fork, type: parallel, branches: [${branch("one")}, ${branch("two")}], on_success: block}`;
    await office.registerPlaybook("branches", [fork, block]);
    const id = await office.start("branches");
    for (const stepId of ["two", "one"]) await office.decide((await office.requestOf(id, stepId)).id, "APPROVE");
    const run = await office.ended(id);
    expect(statusesOf(run)).toEqual({ fork: "succeeded", one: "succeeded", two: "succeeded", block: "succeeded" });
  });
});

async function answerTo(id: string): Promise<unknown> {
  const query = `mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename ... on Failure { code } } }`;
  const { data } = await send(office.server, office.leadToken, query, { input: { id, decision: "APPROVE" } });
  return data?.["decideApproval"];
}

describe("who started a run", () => {
  test("may not approve it, also as an approver, until the tenant allows that", async () => {
    const mine = await office.member("olga", ["operator", "security_lead"]);
    const id = await office.start("plain", mine);
    const request = await office.requestOf(id, "ask", mine);
    expect(request.canDecide).toBe(false);
    const query = `mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename } }`;
    const decide = () => send(office.server, mine, query, { input: { id: request.id, decision: "APPROVE" } });
    const refused = await decide();
    expect(codesOf(refused)).toEqual(["FORBIDDEN"]);
    expect(refused.errors?.[0]?.message).toContain("allowSelfApproval");
    const { adminToken } = office.server;
    const allow = (allowSelfApproval: boolean) =>
      mutate(office.server, adminToken, "updateTenantSettings", "__typename", { allowSelfApproval });
    await allow(true);
    expect((await decide()).data).toEqual({ decideApproval: { __typename: "DecideApprovalPayload" } });
    await allow(false);
    expect((await office.ended(id)).status).toBe("SUCCEEDED");
  });
});

describe("what was approved is what runs", () => {
  test("also when a newer version comes, or a variable changes, while people think", async () => {
    const { adminToken } = office.server;
    const put = (value: string) =>
      mutate(office.server, adminToken, "putVariable", "variable { id }", { name: "zone", value });
    await office.register("shut", "1.0.0");
    await put("lab");
    const shut = '{id: block, name: Shut, type: action, action_ref: shut, parameters: {value: "{{ env.zone }}"}}';
    await office.registerPlaybook("bound", [ask(), shut]);
    const id = await office.start("bound");
    const request = await office.requestOf(id);
    await office.register("shut", "1.0.1");
    await put("production");
    await office.decide(request.id, "APPROVE");
    const run = await office.ended(id);
    const shown = { action: "shut", version: "1.0.0", parameters: { value: "lab" } };
    expect(request.effect.steps[0]).toMatchObject(shown);
    expect(run.steps[1]?.actionVersion?.version).toBe("1.0.0");
    expect(office.calls).toEqual([{ action: "shut", body: { value: "lab" } }]);

    // Nothing of that is left for the next run.
    const later = await office.start("bound");
    await office.decide((await office.requestOf(later)).id, "APPROVE");
    expect((await office.ended(later)).steps[1]?.actionVersion?.version).toBe("1.0.1");
    expect(office.calls.at(-1)?.body).toEqual({ value: "production" });
  });

  test.each([
    ["action_disabled", "setActionEnabled", { ref: "shoot", enabled: false }],
    ["version_withdrawn", "withdrawActionVersion", { ref: "shoot", version: "1.0.0", reason: "It missed." }],
  ])("unless it may not run any more: %s", async (code, mutation, input) => {
    if (code === "action_disabled") {
      await office.register("shoot", "1.0.0");
      const shoot = "{id: block, name: Shoot, type: action, action_ref: shoot}";
      await office.registerPlaybook("withheld", [ask(), shoot]);
    }
    const { adminToken } = office.server;
    const id = await office.start("withheld");
    const request = await office.requestOf(id);
    await mutate(office.server, adminToken, mutation, "__typename", input);
    await office.decide(request.id, "APPROVE");
    const run = await office.ended(id);
    expect([run.status, run.error?.code]).toEqual(["FAILED", code]);
    expect(office.calls).toEqual([]);
    const enable = { ref: "shoot", enabled: true };
    await mutate(office.server, adminToken, "setActionEnabled", "__typename", enable);
  });
});

describe("a run that waits for people", () => {
  let database: TestDatabase;
  let shared: Office;
  beforeAll(async () => {
    database = await createTestDatabase();
    shared = await Office.open({ database: database.address });
    await shared.registerPlaybook("plain", [ask(), block]);
    await shared.registerPlaybook("bounded", [ask(", timeout: 20m"), block], ["timeout_minutes: 30"]);
  });
  afterAll(async () => {
    await shared.close();
    await database.close();
  });

  test("outlives the server, and its time goes on meanwhile", async () => {
    const [patient, late] = [await shared.start("plain"), await shared.start("bounded")];
    const request = await shared.requestOf(patient);
    const missed = await shared.requestOf(late);
    await shared.server.app.stop();
    const em = database.orm.em.fork();
    const lateId = localId("Run", late);
    await em.execute("update run_event set at = at - interval '31 minutes' where run_id = ?", [lateId]);
    await em.execute("update run set wake_at = now() where id = ?", [lateId]);

    shared.server = await startTestServer({ database: database.address });
    const timedOut = await shared.ended(late);
    expect([timedOut.status, timedOut.error?.code]).toEqual(["TIMED_OUT", "run_timed_out"]);
    expect(await shared.requestOf(late)).toMatchObject({ id: missed.id, status: "CLOSED" });
    expect(await shared.requestOf(patient)).toMatchObject({ id: request.id, status: "PENDING" });
    await shared.decide(request.id, "APPROVE");
    expect((await shared.ended(patient)).status).toBe("SUCCEEDED");
    expect(shared.calls.map(({ action }) => action)).toEqual(["block"]);
  });

  test("hears of a decision that was made on another node", async () => {
    const other = await startTestServer({ database: database.address });
    const id = await shared.start("plain");
    const request = await shared.requestOf(id);
    const input = { id: request.id, decision: "APPROVE" };
    await mutate(other, shared.leadToken, "decideApproval", "approval { id }", input);
    expect((await shared.ended(id)).status).toBe("SUCCEEDED");
    await other.close();
  });
});
