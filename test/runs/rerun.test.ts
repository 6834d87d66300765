import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { codesOf, makeStranger, mutate, send } from "../tenancy/strangers.ts";
import { RerunOffice, statusesOf } from "./rerun-office.ts";

const step = (id: string, value: string, rest: object = {}) => {
  return { id, name: id, type: "action", action_ref: id, parameters: { value }, ...rest };
};
const ask = { id: "ask", name: "Ask", type: "approval", approvers: [{ role: "lead" }] };

describe("rerunFromFailure", () => {
  let database: TestDatabase;
  let office: RerunOffice;
  let leadToken: string;
  let bothToken: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    office = await RerunOffice.open({ database: database.address });
    for (const name of ["look", "left", "right", "act", "rescue"]) await office.register(name);
    leadToken = await office.member("lea", ["viewer", "lead"]);
    bothToken = await office.member("bob", ["operator", "lead"]);
    await office.registerPlaybook("chain", [
      step("look", "{{ finding.ip }}", { on_failure: "continue" }),
      { id: "is-serious", name: "Serious?", type: "condition", expression: "{{ finding.score }} > 5", on_false: "end" },
      {
        ...{ id: "both", name: "Both", type: "parallel" },
        branches: [
          { id: "left", action_ref: "left", parameters: { value: "l" } },
          { id: "right", action_ref: "right", parameters: { value: "r" } },
        ],
      },
      step("act", "{{ steps.left.output.from }} {{ steps.right.output.from }}"),
    ]);
    await office.registerPlaybook("asked", [step("look", "1"), ask, step("act", "{{ steps.look.output.from }}")]);
  });
  afterEach(() => {
    office.calls.length = 0;
    office.failing.clear();
  });
  afterAll(async () => {
    await office.close();
    await database.close();
  });

  const context = { finding: { ip: "10.0.0.7", score: 8 } };
  const noticesOf = async (id: string) => {
    const query =
      "query ($id: ID!) { run(id: $id) { events(first: 100) { edges { node { __typename sequence ... on NoticeEvent { code message } } } } } }";
    const { run } = await office.server
      .client()
      .request<{ run: { events: { edges: { node: { code?: string; message: string; sequence: number } }[] } } }>(
        query,
        { id },
      );
    return run.events.edges.flatMap(({ node }) => (node.code === undefined ? [] : [node]));
  };

  test("takes over what had succeeded and goes on from what failed, as often as it takes", async () => {
    for (const path of ["look", "right", "act"]) office.failing.add(path);
    const first = await office.play("chain", { context });
    expect(statusesOf(first)).toMatchObject({ look: "FAILED", left: "SUCCEEDED", right: "FAILED", both: "FAILED" });
    office.calls.length = 0;
    office.failing.delete("right");
    const second = await office.rerun(first.id);
    expect(office.calls).toEqual(['right {"value":"r"}', 'act {"value":"left right"}']);
    expect(second).toMatchObject({ status: "FAILED", rerunOf: { id: first.id }, context, failedStepCount: 2 });
    office.calls.length = 0;
    office.failing.clear();
    const third = await office.rerun(second.id);
    expect(office.calls).toEqual(['act {"value":"left right"}']);
    expect(third).toMatchObject({ status: "SUCCEEDED", rerunOf: { id: second.id }, failedStepCount: 1 });
    expect(third.playbookVersion).toEqual(first.playbookVersion);
    expect(third.steps.find(({ stepId }) => stepId === "left")).toMatchObject({
      status: "SUCCEEDED",
      input: { value: "l" },
      output: { from: "left" },
      actionVersion: { version: "1.0.0" },
    });
    expect(await noticesOf(third.id)).toMatchObject([
      { sequence: 1, code: "rerun_of", message: "Taken over from the run before: look, is-serious, both, left, right" },
    ]);
  });

  test("asks people again, and not who runs it again", async () => {
    office.failing.add("act");
    const { run } = await office.admin<{ run: { id: string } }>("executePlaybook", "run { id }", { key: "asked" });
    const decide = (id: string, token: string) =>
      mutate(office.server, token, "decideApproval", "approval { id }", { id, decision: "APPROVE" });
    await decide(await office.requestOf(run.id, "ask"), leadToken);
    expect(statusesOf(await office.ended(run.id))).toMatchObject({ ask: "SUCCEEDED", act: "FAILED" });
    office.calls.length = 0;
    office.failing.clear();
    const id = await office.begin(run.id, bothToken);
    const request = await office.requestOf(id, "ask");
    const own = "mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename } }";
    const refused = await send(office.server, bothToken, own, { input: { id: request, decision: "APPROVE" } });
    expect(codesOf(refused)).toEqual(["FORBIDDEN"]);
    expect(office.calls).toEqual([]);
    await decide(request, leadToken);
    expect(await office.ended(id)).toMatchObject({ status: "SUCCEEDED", startedBy: { name: "bob" } });
    expect(office.calls).toEqual(['act {"value":"look"}']);
  });

  test("takes up a run that was cancelled", async () => {
    const { run } = await office.admin<{ run: { id: string } }>("executePlaybook", "run { id }", { key: "asked" });
    await office.requestOf(run.id, "ask");
    await office.admin("cancelRun", "run { id }", { id: run.id });
    await office.ended(run.id);
    const id = await office.begin(run.id);
    await mutate(office.server, leadToken, "decideApproval", "approval { id }", {
      id: await office.requestOf(id, "ask"),
      decision: "APPROVE",
    });
    expect(statusesOf(await office.ended(id))).toEqual({ look: "SUCCEEDED", ask: "SUCCEEDED", act: "SUCCEEDED" });
    expect(office.calls).toEqual(['look {"value":"1"}', 'act {"value":"look"}']);
  });

  test("reads the same trigger, and repeats nothing, also after a restart in its midst", async () => {
    await office.registerPlaybook(
      "triggered",
      [step("look", "1"), step("left", "2"), ask, step("right", "3"), step("act", "{{ finding.ip }}")],
      "finding.new",
    );
    office.failing.add("left");
    const event = { type: "finding.new", key: "once", data: { ip: "10.0.0.9" } };
    const started = await office.admin<{ runs: { id: string }[] }>("emitEvent", "runs { id }", event);
    const first = await office.ended(started.runs[0]?.id ?? "");
    expect(statusesOf(first)).toMatchObject({ look: "SUCCEEDED", left: "FAILED" });
    office.calls.length = 0;
    office.failing.clear();
    const id = await office.begin(first.id);
    const request = await office.requestOf(id, "ask");
    await office.restart();
    await mutate(office.server, leadToken, "decideApproval", "approval { id }", { id: request, decision: "APPROVE" });
    expect((await office.ended(id)).status).toBe("SUCCEEDED");
    expect(office.calls).toEqual(['left {"value":"2"}', 'right {"value":"3"}', 'act {"value":"10.0.0.9"}']);
    const again = await office.admin<{ runs: { id: string }[] }>("emitEvent", "runs { id }", event);
    expect(again.runs).toEqual([{ id: first.id }]);
  });

  test("stays a dry run", async () => {
    const strict = [{ name: "value", type: "integer", required: true }];
    await office.register("strict", { parameters: strict });
    await office.registerPlaybook("strict", [step("look", "1"), step("strict", "{{ finding.ip }}")]);
    const first = await office.play("strict", { dryRun: true, context });
    const second = await office.rerun(first.id);
    expect(second).toMatchObject({ status: "FAILED", dryRun: true });
    expect(statusesOf(second)).toEqual({ look: "SIMULATED", strict: "FAILED" });
    expect(office.calls).toEqual([]);
  });

  test("is refused where there is nothing to go on from", async () => {
    const { run } = await office.admin<{ run: { id: string } }>("executePlaybook", "run { id }", { key: "asked" });
    expect(await office.tryRerun(run.id)).toMatchObject({ __typename: "StateFailure", code: "run_not_ended" });
    await office.admin("cancelRun", "run { id }", { id: run.id });
    const good = await office.play("chain", { context });
    expect(await office.tryRerun(good.id)).toMatchObject({ __typename: "StateFailure", code: "nothing_failed" });
    for (const id of [
      good.playbookVersion?.id ?? "",
      "nothing",
      Buffer.from(`Run:${crypto.randomUUID()}`).toString("base64"),
    ]) {
      expect(await office.tryRerun(id)).toMatchObject({ __typename: "NotFoundFailure" });
    }
  });

  test("is refused for a disabled playbook, but for a dry run of it", async () => {
    await office.registerPlaybook("idle", [step("look", "1"), step("act", "2")]);
    office.failing.add("act");
    const failed = await office.play("idle");
    await office.admin("setPlaybookEnabled", "playbook { id }", { key: "idle", enabled: false });
    expect(await office.tryRerun(failed.id)).toMatchObject({ __typename: "StateFailure", code: "playbook_disabled" });
    await office.admin("setActionEnabled", "action { id }", { ref: "act", enabled: false });
    try {
      const dry = await office.play("idle", { dryRun: true });
      expect(dry.status).toBe("FAILED");
      expect((await office.rerun(dry.id)).status).toBe("FAILED");
    } finally {
      await office.admin("setActionEnabled", "action { id }", { ref: "act", enabled: true });
    }
  });

  test("answers the first rerun to the same idempotency key, and refuses it for another run", async () => {
    office.failing.add("act");
    const [first, other] = [await office.play("chain", { context }), await office.play("chain", { context })];
    const key = { idempotencyKey: "again-1" };
    const rerun = await office.tryRerun(first.id, key);
    const run = "run" in rerun ? rerun.run : { id: "" };
    await office.ended(run.id);
    expect(await office.tryRerun(first.id, key)).toMatchObject({ run: { id: run.id, rerunOf: { id: first.id } } });
    expect(await office.tryRerun(other.id, key)).toMatchObject({
      __typename: "ConflictFailure",
      code: "idempotency_conflict",
    });
    expect(await office.tryRerun(first.id, { idempotencyKey: "two words" })).toMatchObject({
      __typename: "ValidationFailure",
    });
  });

  test("is not there for another tenant, nor for who may only read", async () => {
    office.failing.add("act");
    const { id } = await office.play("chain", { context });
    const stranger = await makeStranger(office.server, "strangers");
    expect(await office.tryRerun(id, {}, stranger)).toMatchObject({ __typename: "NotFoundFailure" });
    const query = "mutation ($input: RerunFromFailureInput!) { rerunFromFailure(input: $input) { __typename } }";
    expect(codesOf(await send(office.server, leadToken, query, { input: { id } }))).toEqual(["FORBIDDEN"]);
  });
});

describe("rerunFromFailure of one action", () => {
  let office: RerunOffice;
  beforeAll(async () => {
    office = await RerunOffice.open();
    const secret = (name: string) => ({ name, type: "secret", required: true });
    await office.register("plain");
    await office.register("sealed", { parameters: [{ name: "value", type: "string" }, secret("token")] });
    const rules = [{ field: "{{ finding.ip }}", op: "eq", value: "1.1.1.1" }];
    await office.register("choosy", { conditions: { operator: "and", rules } });
  });
  afterEach(() => {
    office.calls.length = 0;
    office.failing.clear();
  });
  afterAll(() => office.close());

  test("executes the same version with the same parameters, whatever is active by now", async () => {
    office.failing.add("plain");
    const first = await office.execute("plain", { parameters: { value: "a" }, context: { finding: { id: 1 } } });
    await office.register("plain", { version: "1.1.0", description: "newer" });
    office.failing.clear();
    const second = await office.rerun(first.id);
    expect(second).toMatchObject({ kind: "ACTION", status: "SUCCEEDED", context: { finding: { id: 1 } } });
    expect(second.steps[0]?.actionVersion?.version).toBe("1.0.0");
    expect(office.calls).toEqual(['plain {"value":"a"}', 'plain {"value":"a"}']);
    expect(await office.tryRerun(second.id)).toMatchObject({ code: "nothing_failed" });
    const skipped = await office.execute("choosy");
    expect(await office.tryRerun(skipped.id)).toMatchObject({ code: "nothing_failed" });
  });

  test("is refused once the version was withdrawn or the action disabled", async () => {
    await office.register("fickle");
    office.failing.add("fickle");
    const { id } = await office.execute("fickle");
    await office.admin("setActionEnabled", "action { id }", { ref: "fickle", enabled: false });
    expect(await office.tryRerun(id)).toMatchObject({ __typename: "StateFailure", code: "action_disabled" });
    await office.admin("setActionEnabled", "action { id }", { ref: "fickle", enabled: true });
    await office.admin("withdrawActionVersion", "version { id }", { ref: "fickle", version: "1.0.0", reason: "bad" });
    expect(await office.tryRerun(id)).toMatchObject({ __typename: "StateFailure", code: "version_withdrawn" });
  });

  test("is refused without the secret that was given with the call, unless the credential store has it", async () => {
    office.failing.add("sealed");
    const { id } = await office.execute("sealed", { parameters: { value: "a", token: "given-1" } });
    expect(await office.tryRerun(id)).toMatchObject({
      __typename: "StateFailure",
      code: "parameters_gone",
      message: expect.stringContaining("token is required"),
    });
    await office.admin("putSecret", "secret { id }", { name: "token", value: "stored-1" });
    await office.rerun(id);
    expect(office.calls).toEqual(['sealed {"value":"a","token":"given-1"}', 'sealed {"value":"a","token":"stored-1"}']);
  });

  test("is refused without a secret that was given and could have been left out, and not where it was left out", async () => {
    office.failing.add("open");
    await office.register("open", {
      parameters: [
        { name: "value", type: "string" },
        { name: "spare", type: "secret" },
      ],
    });
    const given = await office.execute("open", { parameters: { value: "a", spare: "given-3" } });
    expect(await office.tryRerun(given.id)).toMatchObject({
      code: "parameters_gone",
      message: expect.stringContaining("spare"),
    });
    const without = await office.execute("open", { parameters: { value: "b" } });
    await office.rerun(without.id);
    await office.admin("putSecret", "secret { id }", { name: "spare", value: "stored-3" });
    await office.rerun(given.id);
    const sent = [
      '{"value":"a","spare":"given-3"}',
      '{"value":"b"}',
      '{"value":"b"}',
      '{"value":"a","spare":"stored-3"}',
    ];
    expect(office.calls).toEqual(sent.map((body) => `open ${body}`));
  });

  test("is refused where the given secret stood in the other inputs, too", async () => {
    office.failing.add("sealed");
    const { id } = await office.execute("sealed", { parameters: { value: "say given-2", token: "given-2" } });
    expect(await office.tryRerun(id)).toMatchObject({
      code: "parameters_gone",
      message: expect.stringContaining("***"),
    });
    expect(office.calls).toHaveLength(1);
  });
});
