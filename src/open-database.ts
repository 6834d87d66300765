import path from "node:path";
import type { Config } from "./config.ts";
import type { Log } from "./core/log.ts";
import type { DatabaseAddress } from "./database/address.ts";
import { startEmbeddedPostgres } from "./database/embedded-postgres.ts";

export interface OpenDatabase {
  readonly address: DatabaseAddress;
  /** Whether it is embedded in this process, so that no other can be using it. */
  readonly isEmbedded: boolean;
  stop(): Promise<void>;
}

/**
 * The configured PostgreSQL, or else an embedded one, started here.
 * @param onBegun Called when that does without this process for a while; not always where it fails.
 * @throws Error with a message for the operator.
 */
export async function openDatabase(
  config: Config,
  log: Log,
  onBegun: () => void = () => undefined,
): Promise<OpenDatabase> {
  if (config.DATABASE_URL !== undefined) {
    onBegun();
    return { address: { url: config.DATABASE_URL }, isEmbedded: false, stop: async () => undefined };
  }
  const postgres = await startEmbeddedPostgres({ dataDirectory: path.resolve(config.DATA_DIR), log, onBegun });
  return { address: postgres.address, isEmbedded: true, stop: () => postgres.stop() };
}
