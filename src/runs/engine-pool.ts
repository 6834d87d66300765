import { Pool } from "pg";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { clientConfig, type DatabaseAddress } from "../database/address.ts";

/** The connections that the engine asks on, beside the journals'. A query that is not answered in time fails. */
export function openPool(address: DatabaseAddress, log: Log): Pool {
  const pool = new Pool({
    ...clientConfig(address),
    application_name: "riposte-engine",
    max: 4,
    connectionTimeoutMillis: limits.engineQueryMs,
    query_timeout: limits.engineQueryMs,
  });
  pool.on("error", (error) => log.warn({ message: error.message }, "engine.connection_failed"));
  return pool;
}
