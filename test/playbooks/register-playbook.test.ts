import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ActionVersion } from "../../src/actions/entities.ts";
import { ConflictFailure, NotFoundFailure, StateFailure, ValidationFailure } from "../../src/core/failures.ts";
import { Playbook, PlaybookVersion } from "../../src/playbooks/entities.ts";
import { createPlaybookCatalogue } from "../../src/playbooks/playbook-catalogue.ts";
import { registerPlaybook } from "../../src/playbooks/register-playbook.ts";
import { rollbackPlaybook } from "../../src/playbooks/rollback-playbook.ts";
import { setPlaybookEnabled } from "../../src/playbooks/set-playbook-enabled.ts";
import { validatePlaybook } from "../../src/playbooks/validate-playbook.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeAction, makeTenant } from "./playbook-fixtures.ts";
import { action, codes, playbook, vendorExample } from "./playbook-text.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

async function tenantWithAction(versions = ["1.0.0", "1.2.0", "1.2.1"]) {
  const tenant = await makeTenant(database.orm);
  const made = await makeAction(database.orm, tenant.tenantId, { name: "block-ip", versions });
  const register = (source: string) => registerPlaybook(tenant.operation(), { source });
  return { ...tenant, action: made, register };
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const version = (number: string, text = playbook(action("a"))) => text.replace('"1.0.0"', `"${number}"`);

describe("registering a playbook", () => {
  test("makes a playbook of a new key, with its card, its text and its pins", async () => {
    const { tenantId, register, action: blockIp } = await tenantWithAction();
    const text = playbook(
      `${action("a")}\n${action("b").replace("block-ip", "block-ip@1.0.0")}`,
      "tags: [x]\ndescription: d\n",
    );
    const { playbook: made, version: first, warnings } = await register(text);
    expect(warnings).toEqual([]);
    expect(made).toMatchObject({
      tenantId,
      key: "pb-test",
      name: "Test",
      description: "d",
      tags: ["x"],
      event: "manual",
      enabled: true,
    });
    const stored = await database.orm.em.fork().findOneOrFail(PlaybookVersion, { id: first.id });
    expect(stored).toMatchObject({ version: "1.0.0", major: 1, minor: 0, patch: 0, format: "YAML", source: text });
    expect(made.activeVersionId).toBe(first.id);
    expect(stored.pins).toEqual([
      { stepId: "a", actionRef: "block-ip@1.2", actionId: blockIp.id },
      { stepId: "b", actionRef: "block-ip@1.0.0", actionId: blockIp.id },
    ]);
  });

  test("pins the actions of branches, and checks their parameters at their own places", async () => {
    const { register, action: blockIp } = await tenantWithAction();
    const parallel = `- id: p
  name: p
  type: parallel
  branches:
    - {id: b, action_ref: block-ip}
    - {id: c, type: delay, duration: 5m}`;
    const { version: made } = await register(playbook(`${parallel}\n${action("a")}`));
    expect(made.pins).toEqual([
      { stepId: "b", actionRef: "block-ip@1.2", actionId: blockIp.id },
      { stepId: "a", actionRef: "block-ip@1.2", actionId: blockIp.id },
    ]);
    const wrong = parallel.replace("block-ip}", "block-ip, parameters: {x: 1}}\n    - {id: d, action_ref: blok-ip}");
    const failure = await failureOf(register(version("1.1.0", playbook(wrong))));
    expect(codes((failure as ValidationFailure).issues)).toEqual([
      "unknown_parameter $.steps[0].branches[0].parameters.x",
      "unknown_action $.steps[0].branches[1].action_ref",
    ]);
  });

  test("adds a higher version as the active one, and a lower one as a back-port", async () => {
    const { operation, register } = await tenantWithAction();
    await register(playbook(action("a")));
    const second = await register(version("1.10.0", playbook(action("a"), "tags: [new]\n")));
    expect(second.playbook).toMatchObject({ activeVersionId: second.version.id, tags: ["new"] });
    const third = await register(version("1.9.0"));
    expect(codes(third.warnings)).toEqual(["not_active $.version"]);
    const stored = await operation().em.findOneOrFail(Playbook, { key: "pb-test", tenantId: operation().tenantId });
    expect(stored).toMatchObject({ activeVersionId: second.version.id, tags: ["new"] });
  });

  test("answers the same version for the same text, and refuses another text", async () => {
    const { register, action: blockIp } = await tenantWithAction();
    const first = await register(playbook(action("a")));
    await database.orm.em.fork().nativeUpdate(ActionVersion, { actionId: blockIp.id }, { status: "WITHDRAWN" });
    const again = await register(playbook(action("a")));
    expect([again.playbook.id, again.version.id]).toEqual([first.playbook.id, first.version.id]);
    const other = await failureOf(register(`${playbook(action("a"))}# changed\n`));
    expect(other).toBeInstanceOf(ConflictFailure);
    expect(other).toMatchObject({ code: "version_exists" });
  });

  test("of one new version, asked for ten times at once, makes one", async () => {
    const { tenantId, register } = await tenantWithAction();
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(playbook(action("a")))));
    expect(new Set(answers.map((answer) => answer.version.id)).size).toBe(1);
    expect(await database.orm.em.fork().count(PlaybookVersion, { tenantId })).toBe(1);
  });

  test("tells every problem of the text and of what it refers to, and keeps nothing", async () => {
    const { tenantId, register } = await tenantWithAction();
    const steps = `${action("a", "on_sucess: end")}\n${action("b", "parameters: {x: 1}")}\n${action("c").replace("block-ip", "blok-ip")}`;
    const failure = await failureOf(register(playbook(steps)));
    expect(failure).toBeInstanceOf(ValidationFailure);
    const { issues } = failure as ValidationFailure;
    expect(issues.map(({ path, line }) => `${line} ${path}`)).toEqual([
      "7 $.steps[0].on_sucess",
      "8 $.steps[1].parameters.x",
      "9 $.steps[2].action_ref",
    ]);
    expect(await database.orm.em.fork().count(Playbook, { tenantId })).toBe(0);
  });

  test("finds no action and no playbook of another tenant", async () => {
    const { register } = await tenantWithAction();
    await register(playbook(action("a")));
    const stranger = await makeTenant(database.orm);
    const failure = await failureOf(registerPlaybook(stranger.operation(), { source: playbook(action("a")) }));
    expect(codes((failure as ValidationFailure).issues).map((code) => code.split(" ")[1])).toEqual([
      "$.steps[0].action_ref",
    ]);
    expect(
      await failureOf(setPlaybookEnabled(stranger.operation(), { key: "pb-test", enabled: false })),
    ).toBeInstanceOf(NotFoundFailure);
  });

  test("takes enabled from the first version only", async () => {
    const { register, operation } = await tenantWithAction();
    const first = await register(playbook(action("a"), "enabled: false\n"));
    expect(first.playbook.enabled).toBe(false);
    const second = await register(version("1.1.0", playbook(action("a"), "enabled: true\n")));
    expect(second.playbook.enabled).toBe(false);
    expect(codes(second.warnings)).toEqual(["no_effect $.enabled"]);
    expect((await setPlaybookEnabled(operation(), { key: "pb-test", enabled: true })).enabled).toBe(true);
  });
});

describe("validating a playbook", () => {
  test("answers errors, warnings and the graph, and changes nothing", async () => {
    const { tenantId, operation } = await tenantWithAction();
    const good = await validatePlaybook(operation(), {
      source: playbook(`${action("a", "on_failure: f")}\n${action("f")}`),
    });
    expect(good).toMatchObject({ valid: true, errors: [], graph: { nodes: [{ stepId: "a" }, { stepId: "f" }] } });
    expect(codes(good.warnings)).toEqual(["fallback_skipped $.steps[0]"]);
    const bad = await validatePlaybook(operation(), { source: vendorExample });
    expect(bad.valid).toBe(false);
    expect(bad.errors.map(({ path }) => path)).toEqual([
      "$.steps[1].branches[0].action_ref",
      "$.steps[1].branches[1].action_ref",
      "$.steps[3].action_ref",
      "$.steps[4].action_ref",
      "$.steps[5].action_ref",
    ]);
    expect(await database.orm.em.fork().count(Playbook, { tenantId })).toBe(0);
  });
});

describe("rolling a playbook back", () => {
  test("makes a registered version active, and a later one active again", async () => {
    const { register, operation } = await tenantWithAction();
    const first = await register(playbook(action("a"), "tags: [old]\n"));
    const second = await register(version("2.0.0"));
    const back = await rollbackPlaybook(operation(), { key: "pb-test", version: "1.0.0", reason: "worse" });
    expect(back).toMatchObject({ activeVersionId: first.version.id, tags: ["old"] });
    const forth = await rollbackPlaybook(operation(), { key: "pb-test", version: "2.0.0" });
    expect(forth).toMatchObject({ activeVersionId: second.version.id, tags: [] });
    expect(await failureOf(rollbackPlaybook(operation(), { key: "pb-test", version: "2.0.0" }))).toBeInstanceOf(
      StateFailure,
    );
  });

  test("refuses what is no version, or none of this playbook", async () => {
    const { register, operation } = await tenantWithAction();
    await register(playbook(action("a")));
    expect(await failureOf(rollbackPlaybook(operation(), { key: "pb-test", version: "1.0" }))).toBeInstanceOf(
      ValidationFailure,
    );
    expect(await failureOf(rollbackPlaybook(operation(), { key: "pb-test", version: "3.0.0" }))).toBeInstanceOf(
      NotFoundFailure,
    );
    expect(await failureOf(rollbackPlaybook(operation(), { key: "nothing", version: "1.0.0" }))).toBeInstanceOf(
      NotFoundFailure,
    );
  });
});

describe("the catalogue of plans", () => {
  test("compiles a version once, and then answers at once", async () => {
    const { tenantId, register } = await tenantWithAction();
    const { version: made } = await register(playbook(action("a", "max_retries: 2")));
    const catalogue = createPlaybookCatalogue({ em: database.orm.em.fork() });
    const [one, other] = await Promise.all([catalogue.plan(tenantId, made.id), catalogue.plan(tenantId, made.id)]);
    expect(one).toBe(other);
    expect(catalogue.plan(tenantId, made.id)).toBe(one);
    expect(one.steps.get("a")).toMatchObject({ type: "ACTION", actionRef: "block-ip@1.2", maxRetries: 2 });
  });

  test("has nothing of another tenant", async () => {
    const { register } = await tenantWithAction();
    const { version: made } = await register(playbook(action("a")));
    const stranger = await makeTenant(database.orm);
    const catalogue = createPlaybookCatalogue({ em: database.orm.em.fork() });
    expect(await failureOf(Promise.resolve(catalogue.plan(stranger.tenantId, made.id)))).toBeInstanceOf(
      NotFoundFailure,
    );
  });
});
