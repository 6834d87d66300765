import type { EntityManager } from "@mikro-orm/postgresql";
import { ConflictFailure } from "../core/failures.ts";
import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { RegularLook } from "../core/regular-look.ts";
import { type DueTick, nextScheduleAt, repairSchedules, takeDueTicks } from "../playbooks/schedule.ts";
import type { tickFields } from "../playbooks/trigger.ts";
import { recordEvent } from "./record-event.ts";

/** A tick that is due may be in another node's hands for a moment; then it is not asked for again at once. */
const leastMs = 10;

export interface SchedulerPorts {
  readonly em: () => EntityManager;
  /** Ticks have become events. */
  readonly onTicked: () => void;
  readonly log: Log;
}

/**
 * Makes an event of each tick of a schedule, once in the cluster: the row of the schedule is moved on in the transaction that writes the
 * event. While the database is away, ticks wait in it.
 */
export class Scheduler {
  readonly #ports: SchedulerPorts;
  readonly #looks = new RegularLook(() => this.#look());
  #isRepaired = false;

  constructor(ports: SchedulerPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** @returns How long until the next tick, or until the next look for what others have scheduled. */
  async #look(): Promise<number> {
    try {
      if (!this.#isRepaired) await repairSchedules(this.#ports.em());
      this.#isRepaired = true;
      while (!this.#looks.isStopped && (await this.#tick()) === limits.ticksMax);
      const nextMs = await nextScheduleAt(this.#ports.em());
      return Math.min(Math.max(nextMs ?? limits.sweepMs, leastMs), limits.sweepMs);
    } catch (error) {
      this.#ports.log.warn({ message: (error as Error).message }, "scheduler.look_failed");
      return limits.sweepMs;
    }
  }

  /** @returns How many ticks were due. */
  async #tick(): Promise<number> {
    const count = await this.#ports.em().transactional(async (em) => {
      const due = await takeDueTicks(em, limits.ticksMax);
      for (const tick of due) if (!tick.isPassedOver) await recordTick(em, tick);
      return due.length;
    });
    if (count > 0) this.#ports.onTicked();
    return count;
  }
}

async function recordTick(em: EntityManager, tick: DueTick): Promise<void> {
  const { playbookId, tenantId, cron, timezone, scheduledAt, isCatchUp } = tick;
  const instant = scheduledAt.toISOString();
  const schedule: Record<(typeof tickFields)[number], Json> = { cron, timezone, scheduledAt: instant, isCatchUp };
  const event = {
    type: "schedule",
    key: `${playbookId} ${instant}`,
    data: { schedule },
    at: scheduledAt,
    by: { kind: "SYSTEM", name: "schedule" },
    playbookId,
  } as const;
  await recordEvent(em, tenantId, event).catch((error: unknown) => {
    // The playbook's schedule was set anew, and its first tick had been told before.
    if (!(error instanceof ConflictFailure)) throw error;
  });
}
