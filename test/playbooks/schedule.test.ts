import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Playbook, Schedule } from "../../src/playbooks/entities.ts";
import { registerPlaybook } from "../../src/playbooks/register-playbook.ts";
import { rollbackPlaybook } from "../../src/playbooks/rollback-playbook.ts";
import { type DueTick, nextScheduleAt, repairSchedules, takeDueTicks } from "../../src/playbooks/schedule.ts";
import { setPlaybookEnabled } from "../../src/playbooks/set-playbook-enabled.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "./playbook-fixtures.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(() => em().nativeDelete(Schedule, {}));
afterAll(() => database.close());

const em = () => database.orm.em.fork();
const take = (limit = 100): Promise<readonly DueTick[]> => em().transactional((inner) => takeDueTicks(inner, limit));

function textOf(key: string, version: string, trigger: string): string {
  const step = '{id: a, name: a, type: condition, expression: "1 == 1"}';
  return `id: ${key}\nname: ${key}\nversion: "${version}"\ntrigger: ${trigger}\nsteps: [${step}]\n`;
}

const at = (cron: string, timezone = "Europe/Berlin") => `{event: schedule, cron: "${cron}", timezone: ${timezone}}`;

async function tenantOfSchedules() {
  const { tenantId, operation } = await makeTenant(database.orm);
  return {
    tenantId,
    operation,
    register: async (key: string, trigger: string, version = "1.0.0") =>
      (await registerPlaybook(operation(), { source: textOf(key, version, trigger) })).playbook,
    enable: (key: string, enabled: boolean) => setPlaybookEnabled(operation(), { key, enabled }),
    rows: () => em().find(Schedule, { tenantId }),
  };
}

/** As if this were the tick that it waits for. */
async function setNextAt(playbookId: string, nextAt: Date): Promise<void> {
  await em().nativeUpdate(Schedule, { playbookId }, { nextAt });
}

const ago = (ms: number) => new Date(Math.floor((Date.now() - ms) / 60_000) * 60_000);
const [minuteMs, dayMs] = [60_000, 86_400_000];

describe("the row of a schedule", () => {
  test("is there while its playbook is enabled and has that schedule", async () => {
    const { tenantId, register, enable, rows } = await tenantOfSchedules();
    const { id } = await register("p", at("0 8 * * 1"));
    const [row] = await rows();
    expect(row).toMatchObject({ playbookId: id, tenantId, cron: "0 8 * * 1", timezone: "Europe/Berlin" });
    expect(row?.nextAt.getTime()).toBeGreaterThan(Date.now() - minuteMs);
    expect(row?.nextAt.getTime()).toBeLessThan(Date.now() + 8 * dayMs);
    await enable("p", false);
    expect(await rows()).toEqual([]);
    await enable("p", true);
    expect(await rows()).toMatchObject([{ playbookId: id, nextAt: row?.nextAt }]);
    await register("p", "{event: manual}", "1.1.0");
    expect(await rows()).toEqual([]);
  });

  test("is in UTC where the playbook names no zone, and is not there for other events", async () => {
    const { register, rows } = await tenantOfSchedules();
    await register("p", '{event: schedule, cron: "0 8 * * 1"}');
    await register("q", "{event: finding.new}");
    expect(await rows()).toMatchObject([{ timezone: "UTC" }]);
  });

  test("keeps the tick that it waits for, unless the time itself is changed", async () => {
    const { register, operation, rows } = await tenantOfSchedules();
    const { id } = await register("p", at("0 8 * * 1"));
    const due = ago(minuteMs);
    await setNextAt(id, due);
    await register("p", at("0 8 * * 1"), "1.1.0");
    expect(await rows()).toMatchObject([{ nextAt: due }]);
    await register("p", at("0 8 * * 1", "Asia/Tokyo"), "1.2.0");
    const [moved] = await rows();
    expect(moved).toMatchObject({ timezone: "Asia/Tokyo" });
    expect(moved?.nextAt.getTime()).toBeGreaterThan(due.getTime());
    await rollbackPlaybook(operation(), { key: "p", version: "1.0.0" });
    expect(await rows()).toMatchObject([{ timezone: "Europe/Berlin" }]);
  });

  test("fits the playbook after changes at the same time", async () => {
    const { tenantId, register, enable, rows } = await tenantOfSchedules();
    await register("p", at("0 8 * * 1"));
    for (let round = 1; round <= 8; round++) {
      await Promise.all([
        register("p", at(`${round} 8 * * 1`), `1.${round}.0`),
        enable("p", round % 2 === 0),
        enable("p", round % 3 === 0),
      ]);
      const playbook = await em().findOneOrFail(Playbook, { tenantId, key: "p" });
      expect((await rows()).map(({ cron }) => cron)).toEqual(playbook.enabled ? [playbook.trigger["cron"]] : []);
    }
  });
});

describe("taking what is due", () => {
  test("takes nothing before its time", async () => {
    const { register } = await tenantOfSchedules();
    await register("p", at("0 8 * * 1"));
    expect(await take()).toEqual([]);
  });

  test("takes a tick once, and moves on to the next", async () => {
    const { tenantId, register, rows } = await tenantOfSchedules();
    const { id } = await register("p", at("0 8 1 1 *"));
    const scheduledAt = ago(minuteMs);
    await setNextAt(id, scheduledAt);
    const schedule = { playbookId: id, tenantId, cron: "0 8 1 1 *", timezone: "Europe/Berlin" };
    expect(await take()).toEqual([{ ...schedule, scheduledAt, isCatchUp: false, isPassedOver: false }]);
    expect(await take()).toEqual([]);
    const [row] = await rows();
    expect(row?.nextAt.toISOString()).toMatch(/-01-01T07:00:00.000Z$/);
    expect(row?.nextAt.getTime()).toBeGreaterThan(Date.now());
  });

  test("makes one tick of three days of missed ones, the first of them", async () => {
    const { register, rows } = await tenantOfSchedules();
    const { id } = await register("p", at("*/15 * * * *"));
    const scheduledAt = ago(3 * dayMs);
    await setNextAt(id, scheduledAt);
    expect(await take()).toMatchObject([{ playbookId: id, scheduledAt, isCatchUp: true }]);
    expect(await take()).toEqual([]);
    const [row] = await rows();
    expect(row?.nextAt.getTime()).toBeGreaterThan(Date.now() - minuteMs);
    expect(row?.nextAt.getTime()).toBeLessThanOrEqual(Date.now() + 16 * minuteMs);
  });

  test("shares the ticks of fifty schedules among three takers, each once", async () => {
    const { register } = await tenantOfSchedules();
    const ids = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => (await register(`p-${n}`, at("0 8 1 1 *"))).id),
    );
    await em().nativeUpdate(Schedule, {}, { nextAt: ago(minuteMs) });
    const untilDone = async (): Promise<DueTick[]> => {
      const taken = await take(7);
      return taken.length === 0 ? [] : [...taken, ...(await untilDone())];
    };
    const taken = (await Promise.all([untilDone(), untilDone(), untilDone()])).flat();
    // A taker that finds only rows in others' hands ends early; what those hand back is left for the next look.
    taken.push(...(await untilDone()));
    expect(taken.map(({ playbookId }) => playbookId).sort()).toEqual([...ids].sort());
  });

  test("takes no tick that another transaction is taking, and takes it again if that fails", async () => {
    const { register } = await tenantOfSchedules();
    const { id } = await register("p", at("0 8 1 1 *"));
    await setNextAt(id, ago(minuteMs));
    const failing = em().transactional(async (inner) => {
      expect(await takeDueTicks(inner, 100)).toHaveLength(1);
      expect(await take()).toEqual([]);
      throw new Error("the event could not be written");
    });
    await expect(failing).rejects.toThrow("the event could not be written");
    expect(await take()).toHaveLength(1);
  });

  test("takes so many at most, and the oldest first", async () => {
    const { register } = await tenantOfSchedules();
    const ids: string[] = [];
    for (const [index, days] of [2, 5, 1].entries()) {
      const { id } = await register(`p-${index}`, at("0 8 1 1 *"));
      ids.push(id);
      await setNextAt(id, ago(days * dayMs));
    }
    expect((await take(2)).map(({ playbookId }) => playbookId)).toEqual([ids[1], ids[0]]);
    expect((await take(2)).map(({ playbookId }) => playbookId)).toEqual([ids[2]]);
  });

  test.each([
    ["never comes again", { cron: "0 8 30 2 *" }],
    ["is in a zone that is not known any more", { timezone: "Mars/Olympus" }],
  ])("takes the last tick of a schedule that %s, and holds up no other", async (_name, change) => {
    const { register, rows } = await tenantOfSchedules();
    const ended = await register("ended", at("0 8 1 1 *"));
    const other = await register("other", at("0 8 1 1 *"));
    await em().nativeUpdate(Schedule, { playbookId: ended.id }, { ...change, nextAt: ago(2 * minuteMs) });
    await setNextAt(other.id, ago(minuteMs));
    expect((await take()).map(({ playbookId }) => playbookId)).toEqual([ended.id, other.id]);
    expect(await rows()).toMatchObject([{ playbookId: other.id }]);
  });
});

describe("the time until the next tick", () => {
  test("is that of the earliest of all, below zero where it is late, and none without schedules", async () => {
    expect(await nextScheduleAt(em())).toBeNull();
    const [one, other] = [await tenantOfSchedules(), await tenantOfSchedules()];
    const early = await one.register("p", at("0 8 1 1 *"));
    const late = await other.register("p", at("0 8 1 1 *"));
    await setNextAt(late.id, new Date(Date.now() + 2 * dayMs));
    await setNextAt(early.id, new Date(Date.now() + dayMs));
    const nextMs = await nextScheduleAt(em());
    expect(nextMs).toBeGreaterThan(dayMs - 10 * minuteMs);
    expect(nextMs).toBeLessThanOrEqual(dayMs);
    await setNextAt(late.id, ago(minuteMs));
    expect(await nextScheduleAt(em())).toBeLessThan(0);
  });
});

describe("repairing schedules", () => {
  test("gives a row to who has none and should have one, and leaves the others alone", async () => {
    const { tenantId, register, enable, rows } = await tenantOfSchedules();
    const missing = await register("missing", at("0 8 1 1 *"));
    await register("disabled", at("0 8 1 1 *"));
    await enable("disabled", false);
    await register("event", "{event: finding.new}");
    const broken = await register("broken", at("0 8 1 1 *"));
    await em().nativeUpdate(Playbook, { id: broken.id }, { trigger: { event: "schedule", cron: "every day" } });
    await em().nativeDelete(Schedule, { tenantId });
    const kept = await register("kept", at("0 8 1 1 *"));
    const due = ago(minuteMs);
    await setNextAt(kept.id, due);
    await Promise.all([repairSchedules(em()), repairSchedules(em())]);
    const byId = new Map((await rows()).map((row) => [row.playbookId, row]));
    expect([...byId.keys()].sort()).toEqual([missing.id, kept.id].sort());
    expect(byId.get(kept.id)?.nextAt).toEqual(due);
    expect(byId.get(missing.id)?.nextAt.getTime()).toBeGreaterThan(Date.now());
  });
});
