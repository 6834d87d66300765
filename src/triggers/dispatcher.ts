import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { TriggerEvent } from "../runs/entities.ts";
import type { Dispatch } from "./dispatch-event.ts";
import { PutOff } from "./put-off.ts";

export interface DispatcherPorts {
  readonly em: () => EntityManager;
  readonly dispatch: Dispatch;
  /** Whether runs can be started here at all. */
  readonly isReady: () => boolean;
  readonly log: Log;
}

/**
 * Sees to it that every event is dispatched, whoever wrote it down and died, or could not start a run then. Each look goes through all that
 * is left, oldest first: an event that can't be dispatched holds up no other.
 */
export class Dispatcher {
  readonly #ports: DispatcherPorts;
  readonly #putOff = new PutOff();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isWoken = false;
  #isStopped = false;

  constructor(ports: DispatcherPorts) {
    this.#ports = ports;
  }

  /** Looks at once, and again each `limits.sweepMs`. */
  start(): void {
    void this.#look();
  }

  /** Events were written here that nobody dispatches but us: looks at once. */
  wake(): void {
    this.#isWoken = true;
    void this.#look();
  }

  /** Begins no dispatch any more; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** One look at a time; whoever wakes it during one gets another. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
      if (this.#isStopped) return;
      if (this.#isWoken) void this.#look();
      else this.#timer = setTimeout(() => void this.#look(), limits.sweepMs);
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    clearTimeout(this.#timer);
    const isWoken = this.#isWoken;
    this.#isWoken = false;
    try {
      let after: Place | undefined = beginning;
      while (after && !this.#isStopped && this.#ports.isReady()) after = await this.#dispatchPage(after, isWoken);
    } catch (error) {
      this.#ports.log.warn({ message: (error as Error).message }, "dispatcher.look_failed");
    }
  }

  /** @returns Where to go on; undefined at the end. */
  async #dispatchPage(after: Place, isWoken: boolean): Promise<Place | undefined> {
    const em = this.#ports.em();
    const values = [after.createdAt, after.id, isWoken, limits.dispatchGraceMs, limits.dispatchGraceMs];
    const page = await em.execute<Place[]>(undispatchedSql, [...values, limits.dispatchBatchMax]);
    const due = page.filter(({ id }) => this.#putOff.isDue(id)).values();
    const work = async () => {
      for (const each of due) if (!this.#isStopped) await this.#dispatch(each);
    };
    const ends = await Promise.allSettled(Array.from({ length: limits.dispatchesMax }, work));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
    return page.length < limits.dispatchBatchMax ? undefined : page.at(-1);
  }

  async #dispatch({ id, tenantId }: Place): Promise<void> {
    const event = await this.#ports.em().findOne(TriggerEvent, { id, tenantId, dispatchedAt: null });
    if (!event) return;
    const { dispatchedAt } = await this.#ports.dispatch(event);
    if (dispatchedAt == null) this.#putOff.add(id);
    else this.#putOff.delete(id);
  }
}

interface Place {
  readonly id: string;
  readonly tenantId: string;
  /** As PostgreSQL writes it: to the microsecond. */
  readonly createdAt: string;
}

const nobody = "00000000-0000-0000-0000-000000000000";
const beginning: Place = { id: nobody, tenantId: nobody, createdAt: "-infinity" };

// Who received an event is at it: others leave it alone for a moment. Clocks of nodes differ, so one from the future is not waited for.
// What a run or a schedule told is nobody's, but its node has been woken for it.
const undispatchedSql = `
select id, tenant_id as "tenantId", created_at::text as "createdAt" from trigger_event
where dispatched_at is null and (created_at, id) > (?::timestamptz, ?::uuid) and (
  ?::boolean and (run_id is not null or playbook_id is not null)
  or created_at not between now() - ?::int * interval '1 millisecond' and now() + ?::int * interval '1 millisecond'
)
order by created_at, id limit ?`;
