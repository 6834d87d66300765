import type { EntityManager } from "@mikro-orm/postgresql";
import { nextTick } from "./cron.ts";
import type { Playbook } from "./entities.ts";
import { lockPlaybook } from "./find-playbook.ts";

/** A tick of a schedule whose time has come. */
export interface DueTick {
  readonly playbookId: string;
  readonly tenantId: string;
  readonly cron: string;
  /** An IANA name. */
  readonly timezone: string;
  readonly scheduledAt: Date;
  /** Whether it stands for further ticks that were missed, too. */
  readonly isCatchUp: boolean;
  /** Whether its tenant is disabled: the schedule moves on, and nobody is told. */
  readonly isPassedOver: boolean;
}

/**
 * Makes the schedule's row what the playbook says: none unless it is enabled and has a schedule. One that has not changed keeps the
 * tick that it waits for.
 * @param playbook Under a lock, and in the table.
 */
export async function setSchedule(em: EntityManager, playbook: Playbook, now: Date): Promise<void> {
  const { id, tenantId, enabled, event, trigger } = playbook;
  const { cron, timezone = "UTC" } = trigger;
  const schedule = { cron: String(cron), timezone: String(timezone) };
  const next = enabled && event === "schedule" ? tickAfter(schedule, now) : undefined;
  if (!next) {
    await em.execute("delete from schedule where playbook_id = ? and tenant_id = ?", [id, tenantId]);
    return;
  }
  await em.execute(
    `insert into schedule (playbook_id, tenant_id, cron, timezone, next_at) values (?, ?, ?, ?, ?)
    on conflict (playbook_id) do update set cron = excluded.cron, timezone = excluded.timezone, next_at = excluded.next_at
    where (schedule.cron, schedule.timezone) <> (excluded.cron, excluded.timezone)`,
    [id, tenantId, schedule.cron, schedule.timezone, next.toISOString()],
  );
}

/**
 * The ticks whose time has come by the database's clock, at most `limit`, the oldest first. What is taken in one transaction is taken in
 * no other, and is due again if it does not commit. However many ticks of a schedule were missed, one makes up for all: the first.
 */
export async function takeDueTicks(em: EntityManager, limit: number): Promise<readonly DueTick[]> {
  const rows = await em.execute<DueRow[]>(
    `select playbook_id as "playbookId", tenant_id as "tenantId", cron, timezone,
      extract(epoch from next_at) * 1000 as "dueMs", extract(epoch from now()) * 1000 as "nowMs",
      exists (select from tenant where id = tenant_id and disabled_at is not null) as "isPassedOver"
    from schedule where next_at <= now() order by next_at, playbook_id limit ? for update skip locked`,
    [limit],
  );
  const taken = rows.map(({ dueMs, nowMs, ...schedule }) => {
    const [scheduledAt, now] = [new Date(Number(dueMs)), new Date(Number(nowMs))];
    const second = tickAfter(schedule, scheduledAt);
    const isCatchUp = second !== undefined && second <= now;
    return { tick: { ...schedule, scheduledAt, isCatchUp }, next: isCatchUp ? tickAfter(schedule, now) : second };
  });
  if (taken.length > 0) await moveOn(em, taken);
  return taken.map(({ tick }) => tick);
}

interface DueRow {
  readonly playbookId: string;
  readonly tenantId: string;
  readonly cron: string;
  readonly timezone: string;
  readonly dueMs: string;
  readonly nowMs: string;
  readonly isPassedOver: boolean;
}

async function moveOn(
  em: EntityManager,
  taken: readonly { readonly tick: DueTick; readonly next: Date | undefined }[],
): Promise<void> {
  const rows = taken.map(({ tick, next }) => ({ playbook_id: tick.playbookId, next_at: next?.toISOString() ?? null }));
  const moved = "from jsonb_to_recordset(?::jsonb) as moved(playbook_id uuid, next_at timestamptz)";
  const isMoved = "schedule.playbook_id = moved.playbook_id and moved.next_at is not null";
  await em.execute(`update schedule set next_at = moved.next_at ${moved} where ${isMoved}`, [JSON.stringify(rows)]);
  const ended = rows.filter(({ next_at }) => next_at === null).map(({ playbook_id }) => playbook_id);
  if (ended.length === 0) return;
  const listed = "select id::uuid from jsonb_array_elements_text(?::jsonb) as id";
  await em.execute(`delete from schedule where playbook_id in (${listed})`, [JSON.stringify(ended)]);
}

/** Milliseconds until the next tick of any schedule, by the database's clock: below zero for one that is late, null without schedules. */
export async function nextScheduleAt(em: EntityManager): Promise<number | null> {
  const sql = "select extract(epoch from min(next_at) - now()) * 1000 as ms from schedule";
  const [row] = await em.execute<{ ms: string | null }[]>(sql);
  return row?.ms == null ? null : Number(row.ms);
}

/** Gives a row to each enabled playbook with a schedule that has none: it was registered before there were schedules. */
export async function repairSchedules(em: EntityManager): Promise<void> {
  const rows = await em.execute<{ id: string; tenant_id: string }[]>(
    `select id, tenant_id from playbook where enabled and event = 'schedule'
      and not exists (select from schedule where playbook_id = playbook.id)`,
  );
  for (const { id, tenant_id: tenantId } of rows) {
    await em.transactional(async (inner) => {
      await setSchedule(inner, await lockPlaybook(inner, tenantId, id), await databaseNow(inner));
    });
  }
}

/** What the clock that ticks are due by shows: of the database, as this transaction began. */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ ms: string }[]>("select extract(epoch from now()) * 1000 as ms");
  return new Date(Number(row?.ms));
}

/** Undefined also where the zone has left the data of zones since: such a schedule must not hold up the others. */
function tickAfter({ cron, timezone }: { cron: string; timezone: string }, after: Date): Date | undefined {
  try {
    return nextTick(cron, timezone, after);
  } catch {
    return undefined;
  }
}
