import type { Pool } from "pg";
import { limits } from "../core/limits.ts";
import { claimCancelledSql, claimSql, nextDueSql } from "./claim-sql.ts";
import type { MemoryBudget } from "./memory-budget.ts";

type Claimed = readonly { readonly id: string }[];

interface ClaimPorts {
  readonly pool: Pick<Pool, "query">;
  readonly memory: MemoryBudget;
  /** The runs in this node's memory. */
  readonly resident: Pick<ReadonlyMap<string, unknown>, "has" | "size">;
}

/** What a node claims: as many runs as it may hold, and no more than it has memory for. */
export class Claims {
  readonly #ports: ClaimPorts;
  #isHeldUp = false;
  #hadRoom = false;
  /** By `performance.now()`: since when there has been room, and none for the run that is due first; undefined where that is not so. */
  #stuckSince: number | undefined;
  /** The run that was claimed last though there was no room for it. */
  #cancelled = "";

  constructor(ports: ClaimPorts) {
    this.#ports = ports;
  }

  /** A run was left free since there was no memory for it. */
  holdUp(): void {
    this.#isHeldUp = true;
  }

  /** Whether runs may be due that there was no memory for, and is now. */
  isWorthwhile(): boolean {
    return this.#isHeldUp && this.#ports.memory.room() > 0;
  }

  /**
   * Claims what is due. Where there is no room, one that was cancelled, since it goes as soon as it has come; one at a time. A run that there is no
   * room for has the others wait behind it, so that it has its turn; but whoever is here may stay for hours, so now and then they pass it.
   */
  async claim({ nodeId, epoch }: { readonly nodeId: number; readonly epoch: number }): Promise<Claimed> {
    const { pool, memory, resident } = this.#ports;
    const countMax = Math.min(limits.residentRunsMax - resident.size, limits.claimMax);
    const room = memory.room();
    const largest = memory.hasRoomForLarge() ? anyBytes : room;
    this.#hadRoom = countMax > 0 && largest > 0;
    if (countMax <= 0) return [];
    const isPassed = this.#stuckSince !== undefined && performance.now() - this.#stuckSince >= limits.largeInWayMs;
    const values = [nodeId, epoch, countMax, Math.min(room, limits.claimBytesMax), largest, isPassed];
    const { rows } = this.#hadRoom ? await pool.query<{ id: string }>(claimSql, values) : nothing;
    if (rows.length > 0 || !this.#isHeldUp || resident.has(this.#cancelled)) return rows;
    const cancelled = await pool.query<{ id: string }>(claimCancelledSql, [nodeId, epoch]);
    this.#cancelled = cancelled.rows[0]?.id ?? "";
    return cancelled.rows;
  }

  /** After how many milliseconds there is something to claim again, now that so many were. */
  async nextMs(claimedCount: number): Promise<number> {
    const { rows } = await this.#ports.pool.query<{ ms: string | null }>(nextDueSql);
    const dueMs = rows[0]?.ms == null ? limits.sweepMs : Math.max(Number(rows[0].ms), 0);
    const wasHeldUp = this.#isHeldUp;
    this.#isHeldUp = dueMs === 0 && claimedCount === 0;
    this.#stuckSince = this.#isHeldUp && this.#hadRoom ? (this.#stuckSince ?? performance.now()) : undefined;
    // What is due and was not to be had may have fallen due only now; not so for the second time.
    const isFull = this.#ports.resident.size >= limits.residentRunsMax || (wasHeldUp && this.#isHeldUp);
    return isFull ? limits.sweepMs : Math.min(dueMs, limits.sweepMs);
  }
}

/** More than any run holds. */
const anyBytes = 2 ** 31;
const nothing: { readonly rows: Claimed } = { rows: [] };
