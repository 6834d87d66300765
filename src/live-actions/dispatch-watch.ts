import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { unshared } from "./dispatch-rows.ts";
import { LiveActionDispatch } from "./entities.ts";
import type { PerformerPorts } from "./performer.ts";

interface WatchPorts {
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly news: Pick<PerformerPorts["news"], "onTenant">;
  readonly log: Log;
}

interface Waiter {
  readonly tenantId: string;
  readonly id: string;
  readonly tell: (dispatch: LiveActionDispatch) => void;
}

/** Waits for dispatches that end on whichever node: all that steps and repeated requests wait for here are looked at together. */
export class DispatchWatch {
  readonly #ports: WatchPorts;
  readonly #waiters = new Set<Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isNews = false;

  constructor(ports: WatchPorts) {
    this.#ports = ports;
  }

  /** @returns The dispatch once it is COMPLETED; undefined where `signal` is aborted first. Never rejects. */
  async ended(
    { id, tenantId }: Pick<LiveActionDispatch, "id" | "tenantId">,
    signal: AbortSignal,
  ): Promise<LiveActionDispatch | undefined> {
    if (signal.aborted) return undefined;
    const { promise, resolve } = Promise.withResolvers<LiveActionDispatch | undefined>();
    const waiter: Waiter = { tenantId, id, tell: resolve };
    const give = () => resolve(undefined);
    signal.addEventListener("abort", give);
    const leave = this.#ports.news.onTenant(tenantId, () => this.#hear());
    this.#waiters.add(waiter);
    this.#hear();
    const ended = await promise;
    this.#waiters.delete(waiter);
    signal.removeEventListener("abort", give);
    leave();
    if (this.#waiters.size === 0) clearTimeout(this.#timer);
    return ended;
  }

  #hear(): void {
    this.#isNews = true;
    if (!this.#isLooking) void this.#look();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    clearTimeout(this.#timer);
    while (this.#isNews && this.#waiters.size > 0) {
      this.#isNews = false;
      // Whoever comes in the same turn is looked for by the same statement.
      await undefined;
      try {
        await this.#tellEnded();
      } catch (error) {
        this.#ports.log.warn({ message: (error as Error).message }, "live_action.watch_failed");
      }
      await new Promise((resolve) => setTimeout(resolve, limits.dispatchLookMs));
    }
    this.#isLooking = false;
    if (this.#waiters.size > 0) this.#timer = setTimeout(() => this.#hear(), limits.dispatchPollMs);
  }

  async #tellEnded(): Promise<void> {
    const waiters = Map.groupBy(this.#waiters, ({ tenantId }) => tenantId);
    for (const [tenantId, own] of waiters) {
      const where = { tenantId, id: { $in: own.map(({ id }) => id) }, state: "COMPLETED" } as const;
      const ended = await this.#ports.em().find(LiveActionDispatch, where, unshared);
      const byId = new Map(ended.map((dispatch) => [dispatch.id, dispatch]));
      for (const { id, tell } of own) {
        const dispatch = byId.get(id);
        if (dispatch) tell(dispatch);
      }
    }
  }
}
