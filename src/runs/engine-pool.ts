import { Pool } from "pg";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { clientConfig, type DatabaseAddress } from "../database/address.ts";

/** Every question of the engine is about few rows by their keys, of tables that grow without end and whose statistics lag behind. */
const settings =
  "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c application_name=riposte-engine";

/** The connections that the engine asks on, beside the journals'. A query that is not answered in time fails. */
export function openPool(address: DatabaseAddress, log: Log): Pool {
  const pool = new Pool({
    ...clientConfig(address),
    options: settings,
    max: 4,
    connectionTimeoutMillis: limits.engineQueryMs,
    query_timeout: limits.engineQueryMs,
  });
  pool.on("error", (error) => log.warn({ message: error.message }, "engine.connection_failed"));
  return pool;
}
