import path from "node:path";
import type { Config } from "./config.ts";
import type { Log } from "./core/log.ts";
import type { Execute, LocalCall } from "./executors/executor.ts";
import { type Isolation, probeIsolation } from "./executors/isolation.ts";
import type { IsolationLack } from "./executors/isolation-lack.ts";
import { networkRefusal, productionIsolation, warningOf } from "./executors/isolation-policy.ts";
import { createLocalExecutor } from "./executors/local.ts";
import { sweepLeftovers } from "./executors/sweep.ts";

export interface LocalScripts {
  readonly execute: Execute<LocalCall>;
  /** Why no script can be run in the sandbox on this node; undefined where it can. */
  sandboxRefusal(): IsolationLack | undefined;
}

/**
 * The executor of local actions, with the isolation that this host has and the operator asks for; the log says once what is missing.
 * @throws Error for the operator when LOCAL_PATHS names what scripts are to be kept from, or LOCAL_NETWORK=none can't be kept.
 */
export async function startLocalScripts(parts: {
  readonly config: Config;
  readonly log: Log;
  /** Whether the database is embedded in this process. */
  readonly isAlone: boolean;
  /** What this host can do; found out by default. */
  readonly isolation?: Isolation;
}): Promise<LocalScripts> {
  const { config, log, isAlone } = parts;
  const { LOCAL_NETWORK: network } = config;
  const dataDirectory = path.resolve(config.DATA_DIR);
  const workDirectory = path.join(dataDirectory, "work");
  await sweepLeftovers({ workDirectory });
  const isolation =
    parts.isolation ?? (await probeIsolation({ workDirectory, dataDirectory, readable: config.LOCAL_PATHS }));
  const refusal = networkRefusal(network, isolation);
  if (refusal !== undefined) throw new Error(refusal);
  const production = productionIsolation(config.LOCAL_ISOLATION, { isEmbedded: isAlone, network });
  const warning = warningOf({ isolation, production });
  if (warning) log.warn({ advice: warning.advice }, warning.event);
  else log.debug({ kind: isolation.kind }, "isolation.available");
  return {
    execute: createLocalExecutor({ workDirectory, isolation, production, network }),
    sandboxRefusal: () => isolation.lack,
  };
}
