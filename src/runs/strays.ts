import type { Pool } from "pg";
import { straysSql } from "./claim-sql.ts";

interface StrayPorts {
  readonly pool: Pick<Pool, "query">;
  /** The runs in this node's memory. */
  readonly resident: Pick<ReadonlyMap<string, unknown>, "keys">;
}

/** Runs that are this node's and not in its memory: something failed between a run's being ours and its going on here. */
export class Strays {
  readonly #ports: StrayPorts;
  #isNoted = false;

  constructor(ports: StrayPorts) {
    this.#ports = ports;
  }

  /** There may be some. */
  note(): void {
    this.#isNoted = true;
  }

  /** Looks for them where there may be some. One that is noted meanwhile was perhaps not seen: that counts for the next look. */
  async find(nodeId: number): Promise<readonly { readonly id: string }[]> {
    if (!this.#isNoted) return [];
    this.#isNoted = false;
    const { pool, resident } = this.#ports;
    const { rows } = await pool.query<{ id: string }>(straysSql, [nodeId, [...resident.keys()]]);
    return rows;
  }
}
