import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";

interface ExpiryPorts {
  readonly pool: Pick<Pool, "query">;
  readonly log: Log;
  /** These runs have something to hear: how a request of theirs was decided, or that nobody did in time. */
  readonly onExpired: (runIds: readonly string[]) => void;
}

/**
 * Ends requests for approval whose time is over. The row arbitrates: one that was decided just before stays so, and its run hears of
 * that. Many at once share a statement.
 */
export class Expiry {
  readonly #ports: ExpiryPorts;
  readonly #asked = new Set<string>();
  readonly #stopping = new AbortController();
  #working: Promise<void> | undefined;

  constructor(ports: ExpiryPorts) {
    this.#ports = ports;
  }

  /** Never fails: while the database is away, it is tried again until `stop`. */
  expire(approvalId: string): void {
    this.#asked.add(approvalId);
    this.#working ??= this.#work();
  }

  /** What is not done by then falls due again when its run is next taken up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    // Once everything of this turn has been asked for.
    await undefined;
    const { signal } = this.#stopping;
    while (this.#asked.size > 0 && !signal.aborted) {
      const ids = [...this.#asked];
      try {
        const { rows } = await this.#ports.pool.query<{ runId: string }>(expireSql, [ids]);
        for (const id of ids) this.#asked.delete(id);
        this.#ports.onExpired(rows.map(({ runId }) => runId));
      } catch (error) {
        this.#ports.log.warn({ message: (error as Error).message }, "approval.expiry_failed");
        await sleep(limits.prepareRetryMs, undefined, { signal }).catch(() => undefined);
      }
    }
    this.#working = undefined;
  }
}

/**
 * Requests that nobody has decided are EXPIRED, and their runs are told, in one statement. Rows are locked in one order, whoever expires
 * them. $1 ids of requests; answers the runs of all of them, also where somebody was faster.
 */
const expireSql = `
with undecided as materialized (
  select id from approval where id = any($1::uuid[]) and status = 'PENDING' order by id for update
), expired as (
  update approval set status = 'EXPIRED', changed_xid = pg_current_xact_id()::text::bigint
  from undecided where approval.id = undecided.id
  returning approval.id, approval.tenant_id, approval.run_id, approval.step_id
), told as (
  insert into run_signal (id, tenant_id, created_at, run_id, type, body)
  select uuidv7(), tenant_id, now(), run_id, 'APPROVAL',
    jsonb_build_object('approvalId', id, 'stepId', step_id, 'status', 'EXPIRED', 'by', null, 'comment', null)
  from expired where run_id is not null
)
select distinct run_id as "runId" from approval where id = any($1::uuid[]) and run_id is not null`;
