import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConflictFailure } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import { clientConfig } from "../../src/database/address.ts";
import { Playbook } from "../../src/playbooks/entities.ts";
import { registerPlaybook } from "../../src/playbooks/register-playbook.ts";
import { rollbackPlaybook } from "../../src/playbooks/rollback-playbook.ts";
import { setPlaybookEnabled } from "../../src/playbooks/set-playbook-enabled.ts";
import {
  createTriggerCatalogue,
  type OccurredEvent,
  type TriggerMatch,
} from "../../src/playbooks/trigger-catalogue.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { movableClock } from "../tenancy/tenancy-fixtures.ts";
import { makeTenant } from "./playbook-fixtures.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

interface Text {
  readonly key: string;
  readonly version?: string;
  readonly trigger: string;
  readonly enabled?: boolean;
}

function textOf({ key, version = "1.0.0", trigger, enabled = true }: Text): string {
  const step = '{id: a, name: a, type: condition, expression: "1 == 1"}';
  return `id: ${key}\nname: ${key}\nversion: "${version}"\ntrigger: ${trigger}\nenabled: ${enabled}\nsteps: [${step}]\n`;
}

async function tenantWithCatalogue() {
  const tenant = await makeTenant(database.orm);
  const clock = movableClock();
  let questions = 0;
  const em = () => {
    questions++;
    return database.orm.em.fork();
  };
  const catalogue = createTriggerCatalogue({ em, clock });
  return {
    ...tenant,
    catalogue,
    clock,
    questions: () => questions,
    register: (text: Text) => registerPlaybook(tenant.operation(), { source: textOf(text) }),
    enable: (key: string, enabled: boolean) => setPlaybookEnabled(tenant.operation(), { key, enabled }),
    match: async (event: OccurredEvent) => keysOf(await catalogue.match(tenant.tenantId, event)),
    remembered: (event: OccurredEvent) => catalogue.matchRemembered(tenant.tenantId, event),
  };
}

const keysOf = (matches: readonly TriggerMatch[]) => matches.map(({ playbookKey }) => playbookKey);
const finding = (severity: string): OccurredEvent => ({ type: "finding.new", data: { finding: { severity } } });
const onHigh = "{event: finding.new, conditions: {severity: high}}";
const onLow = "{event: finding.new, conditions: {severity: low}}";

describe("the catalogue of triggers", () => {
  test("answers the enabled playbooks of the tenant that an event triggers, with their active versions", async () => {
    const { register, match, catalogue, tenantId } = await tenantWithCatalogue();
    const { playbook, version } = await register({ key: "on-high", trigger: onHigh });
    await register({ key: "on-low", trigger: onLow });
    await register({ key: "on-any", trigger: "{event: finding.new}" });
    await register({ key: "off", trigger: onHigh, enabled: false });
    await register({ key: "other-event", trigger: "{event: scan.completed}" });
    await register({ key: "by-hand", trigger: "{event: manual}" });
    await register({ key: "by-clock", trigger: '{event: schedule, cron: "0 8 * * 1"}' });
    expect(await match(finding("HIGH"))).toEqual(["on-high", "on-any"]);
    expect(await match({ type: "scan.completed", data: {} })).toEqual(["other-event"]);
    for (const type of ["manual", "schedule", "scan.failed", "nonsense"])
      expect(await match({ type, data: {} })).toEqual([]);
    const [first] = await catalogue.match(tenantId, finding("high"));
    expect(first).toEqual({ playbookId: playbook.id, playbookKey: "on-high", versionId: version.id });
    const stranger = await tenantWithCatalogue();
    expect(await catalogue.match(stranger.tenantId, finding("high"))).toEqual([]);
  });

  test("knows of every change at once, without being told", async () => {
    const { register, enable, match, catalogue, operation, tenantId } = await tenantWithCatalogue();
    const seen = async () => [await match(finding("high")), await match(finding("low"))];
    expect(await seen()).toEqual([[], []]);
    const first = await register({ key: "p", trigger: onHigh });
    expect(await seen()).toEqual([["p"], []]);
    const second = await register({ key: "p", version: "1.1.0", trigger: onLow });
    expect(await seen()).toEqual([[], ["p"]]);
    await register({ key: "p", version: "1.0.1", trigger: onHigh });
    expect(await seen()).toEqual([[], ["p"]]);
    expect(await catalogue.match(tenantId, finding("low"))).toMatchObject([{ versionId: second.version.id }]);
    await rollbackPlaybook(operation(), { key: "p", version: "1.0.0" });
    expect(await seen()).toEqual([["p"], []]);
    expect(await catalogue.match(tenantId, finding("high"))).toMatchObject([{ versionId: first.version.id }]);
    await enable("p", false);
    expect(await seen()).toEqual([[], []]);
    await enable("p", true);
    expect(await seen()).toEqual([["p"], []]);
    await register({ key: "p", version: "2.0.0", trigger: "{event: manual}" });
    expect(await seen()).toEqual([[], []]);
  });

  test("knows of what was committed before it was asked, whatever else is asked and changed at the same time", async () => {
    const { register, match } = await tenantWithCatalogue();
    const keys = Array.from({ length: 12 }, (_, n) => `p-${n}`);
    await Promise.all(
      keys.map(async (key) => {
        await match(finding("low"));
        await register({ key, trigger: onHigh });
        expect(await match(finding("high"))).toContain(key);
      }),
    );
    expect((await match(finding("high"))).sort()).toEqual(keys.sort());
  });

  test("starts the others, where one has conditions that can't be read", async () => {
    const { register, match, operation, tenantId } = await tenantWithCatalogue();
    await register({ key: "good", trigger: onHigh });
    await register({ key: "bad", trigger: onHigh });
    const trigger = { event: "finding.new", conditions: { severity: { $where: "true" } } };
    await operation().em.nativeUpdate(Playbook, { tenantId, key: "bad" }, { trigger });
    expect(await match(finding("high"))).toEqual(["good"]);
  });
});

describe("what the catalogue remembers", () => {
  test("is answered at once, for as long as it is believed", async () => {
    const { register, remembered, clock, questions } = await tenantWithCatalogue();
    await register({ key: "p", trigger: onHigh });
    const first = remembered(finding("high"));
    expect(first).toBeInstanceOf(Promise);
    expect(keysOf(await first)).toEqual(["p"]);
    const before = questions();
    await register({ key: "q", trigger: onHigh });
    clock.move(limits.actionBelievedMs - 1);
    expect(remembered(finding("high"))).toMatchObject([{ playbookKey: "p" }]);
    expect(remembered(finding("low"))).toEqual([]);
    expect(questions()).toBe(before);
    clock.move(1);
    const later = remembered(finding("high"));
    expect(later).toBeInstanceOf(Promise);
    expect(keysOf(await later)).toEqual(["p", "q"]);
    expect(remembered(finding("high"))).toHaveLength(2);
  });

  test("is nothing for a tenant without such playbooks, and that at once, too", async () => {
    const { remembered, questions } = await tenantWithCatalogue();
    expect(await remembered(finding("high"))).toEqual([]);
    const before = questions();
    expect(remembered(finding("high"))).toEqual([]);
    expect(remembered({ type: "action.completed", data: {} })).toEqual([]);
    expect(questions()).toBe(before);
  });

  test.each(["forget", "forgetAll"] as const)("is asked for again after %s", async (forget) => {
    const { register, remembered, catalogue, tenantId } = await tenantWithCatalogue();
    expect(await remembered(finding("high"))).toEqual([]);
    await register({ key: "p", trigger: onHigh });
    catalogue[forget](tenantId);
    const asked = remembered(finding("high"));
    expect(asked).toBeInstanceOf(Promise);
    expect(keysOf(await asked)).toEqual(["p"]);
  });

  test.each(["forget", "forgetAll"] as const)("is not believed if %s came while it was asked for", async (forget) => {
    const { register, remembered, catalogue, tenantId } = await tenantWithCatalogue();
    const underWay = remembered(finding("high"));
    catalogue[forget](tenantId);
    await register({ key: "p", trigger: onHigh });
    await underWay;
    const asked = remembered(finding("high"));
    expect(asked).toBeInstanceOf(Promise);
    expect(keysOf(await asked)).toEqual(["p"]);
  });

  test("of other tenants is left alone", async () => {
    const one = await tenantWithCatalogue();
    const other = await makeTenant(database.orm);
    await one.catalogue.matchRemembered(other.tenantId, finding("high"));
    await one.remembered(finding("high"));
    one.catalogue.forget(one.tenantId);
    expect(one.catalogue.matchRemembered(other.tenantId, finding("high"))).toEqual([]);
  });

  test("is not read again where only the belief has run out", async () => {
    const { register, remembered, clock, match, operation, tenantId } = await tenantWithCatalogue();
    await register({ key: "p", trigger: onHigh });
    await remembered(finding("high"));
    // Past every verb, so that the number stays: what is read again would show it.
    await operation().em.nativeUpdate(Playbook, { tenantId, key: "p" }, { enabled: false });
    clock.move(limits.actionBelievedMs);
    expect(keysOf(await remembered(finding("high")))).toEqual(["p"]);
    expect(await match(finding("high"))).toEqual(["p"]);
  });
});

describe("a change to a playbook", () => {
  test("is told to every node when it is committed, and counted; what changes nothing is not", async () => {
    const { register, enable, operation, tenantId } = await tenantWithCatalogue();
    const client = new pg.Client(clientConfig(database.address));
    await client.connect();
    let heard = 0;
    client.on("notification", ({ payload }) => {
      if (payload === tenantId) heard++;
    });
    await client.query("listen riposte_catalogue");
    const counted = async () => {
      const sql = "select number::int from playbook_change where tenant_id = $1";
      const { rows } = await client.query<{ number: number }>(sql, [tenantId]);
      return rows[0]?.number;
    };
    await register({ key: "p", trigger: onHigh });
    await register({ key: "p", version: "1.1.0", trigger: onHigh });
    await rollbackPlaybook(operation(), { key: "p", version: "1.0.0" });
    await enable("p", false);
    expect(await counted()).toBe(4);
    await enable("p", false);
    await register({ key: "p", trigger: onHigh });
    await expect(register({ key: "p", trigger: onLow })).rejects.toThrow(ConflictFailure);
    expect(await counted()).toBe(4);
    await enable("p", true);
    await expect.poll(() => heard).toBe(5);
    expect(await counted()).toBe(5);
    await client.end();
  });
});
