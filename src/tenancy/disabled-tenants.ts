import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { RegularLook } from "../core/regular-look.ts";
import { type Execute, statement } from "../database/statement.ts";
import { Tenant } from "./entities.ts";

/** The channel on which nodes tell each other that a tenant was disabled or enabled; the payload is its id. */
export const tenantChannel = "riposte_tenant";

export interface DisabledTenantsPorts {
  /** As the owner of the tables. It gives up soon: while one look waits, none else begins, and nothing else does on this node. */
  readonly execute: Execute;
  readonly log: Log;
}

/** What is asked before something is done for a tenant. */
export type TenantGate = Pick<DisabledTenants, "isDisabled" | "believable" | "renew">;

/**
 * Which tenants are disabled, as this node knows it: read each `limits.disabledTenantsLookMs`, and when a notification tells of a change. So
 * asking costs no statement. It fails closed: before the first read, and where the last one is too old, there is an answer only after the next.
 */
export class DisabledTenants {
  readonly #ports: DisabledTenantsPorts;
  readonly #looks = new RegularLook(() => this.#look());
  readonly #listeners = new Set<() => void>();
  #ids: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(ports: DisabledTenantsPorts) {
    this.#ports = ports;
  }

  /** Reads them for the first time, and goes on doing so. @throws What the database throws. */
  async start(): Promise<void> {
    await this.renew();
    this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** As it was when it was last read; ask `believable` first. */
  isDisabled(tenantId: string): boolean {
    return this.#ids.has(tenantId);
  }

  /** Undefined where what is known may be believed; else it can be once this resolves. It rejects with what the database throws. */
  believable(): Promise<void> | undefined {
    return performance.now() - this.#readAt < limits.disabledTenantsBelievedMs ? undefined : this.renew();
  }

  /** Resolves when all is known that was committed before this call: who asks at once shares a read. */
  renew(): Promise<void> {
    this.#next ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.#reading = this.#read();
        return this.#reading;
      });
    return this.#next;
  }

  /** Calls `listener` whenever a tenant is found to be disabled that was not before. */
  onDisabled(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async #look(): Promise<number> {
    try {
      await this.renew();
    } catch (error) {
      this.#ports.log.warn({ message: (error as Error).message }, "disabled_tenants.unread");
    }
    return limits.disabledTenantsLookMs;
  }

  async #read(): Promise<void> {
    const startedAt = performance.now();
    const rows = await this.#ports.execute<{ id: string }>(disabledStatement, []);
    const before = this.#ids;
    this.#ids = new Set(rows.map(({ id }) => id));
    this.#readAt = startedAt;
    if (rows.some(({ id }) => !before.has(id))) for (const listener of this.#listeners) listener();
  }
}

const disabledStatement = statement("disabled-tenants", "select id from tenant where disabled_at is not null");

/** The same of one tenant, read for certain: where people have waited, and what they decided is about to be done. */
export async function isTenantDisabled(em: EntityManager, tenantId: string): Promise<boolean> {
  return (await em.count(Tenant, { id: tenantId, disabledAt: { $ne: null } })) > 0;
}
