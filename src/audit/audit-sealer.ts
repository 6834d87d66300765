import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { RegularLook } from "../core/regular-look.ts";
import { type SealPorts, sealEntries } from "./seal-entries.ts";

export interface AuditSealerPorts extends SealPorts {
  readonly log: Log;
}

/** Seals what was written since the last look, of every tenant, on any number of nodes: where one is at a tenant, the others pass it over. */
export class AuditSealer {
  readonly #ports: AuditSealerPorts;
  readonly #looks = new RegularLook(() => this.#look());
  /** Tenants that could not be sealed at the last look, which was said then. */
  readonly #failing = new Set<string>();

  constructor(ports: AuditSealerPorts) {
    this.#ports = ports;
  }

  /** Looks at once, and again each `limits.auditSealMs`. */
  start(): void {
    this.#looks.start();
  }

  /** Resolves when nothing is under way any more. What is not sealed then, any node seals that comes after. */
  stop(): Promise<void> {
    return this.#looks.stop();
  }

  async #look(): Promise<number> {
    try {
      const rows = await this.#ports.em().execute<{ tenantId: string }[]>(tenantsSql);
      for (const { tenantId } of rows) {
        if (this.#looks.isStopped) break;
        await this.#seal(tenantId);
      }
    } catch (error) {
      this.#ports.log.warn({ message: (error as Error).message }, "audit.look_failed");
    }
    return limits.auditSealMs;
  }

  /** One tenant that can't be sealed keeps no other waiting. */
  async #seal(tenantId: string): Promise<void> {
    try {
      await sealEntries(this.#ports, tenantId, "skip");
      this.#failing.delete(tenantId);
    } catch (error) {
      if (this.#failing.has(tenantId)) return;
      this.#failing.add(tenantId);
      this.#ports.log.warn({ tenantId, message: (error as Error).message }, "audit.seal_failed");
    }
  }
}

/** Tenants with unsealed entries, each found by one step in the index, however many entries it has. */
const tenantsSql = `
with recursive found as (
  (select tenant_id from audit_entry where sequence is null order by tenant_id limit 1)
  union all
  select (
    select e.tenant_id from audit_entry e where e.sequence is null and e.tenant_id > found.tenant_id order by e.tenant_id limit 1
  ) from found where found.tenant_id is not null
)
select tenant_id as "tenantId" from found where tenant_id is not null`;
