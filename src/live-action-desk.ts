import type { DecidePorts } from "./approvals/decide-approval.ts";
import type { Config } from "./config.ts";
import type { Log } from "./core/log.ts";
import type { Orm } from "./database/orm.ts";
import { executePrepared } from "./database/statement.ts";
import type { EgressPolicy } from "./executors/egress.ts";
import type { Adapter } from "./live-actions/adapter.ts";
import { createBuiltinRegistry } from "./live-actions/builtins.ts";
import { type DecidedPorts, tellingDispatches } from "./live-actions/decided-dispatch.ts";
import { createDispatchStore } from "./live-actions/dispatch-store.ts";
import { DispatchSweeper } from "./live-actions/dispatch-sweeper.ts";
import { DispatchWatch } from "./live-actions/dispatch-watch.ts";
import { Performer, type PerformerPorts } from "./live-actions/performer.ts";
import { startPlugins } from "./live-actions/plugin-host.ts";
import { createStepDispatches } from "./live-actions/step-dispatches.ts";
import { TokenCache } from "./live-actions/token-cache.ts";
import { createVendorHttp } from "./live-actions/vendor-http.ts";
import type { Sealer } from "./secrets/seal.ts";

interface LiveActionParts extends Pick<PerformerPorts, "news" | "readSecrets">, Pick<DecidedPorts, "askedAt"> {
  readonly config: Pick<Config, "PLUGINS">;
  readonly orm: Orm;
  /** The same database as requests see it. */
  readonly requests: Orm;
  readonly hasPeers: () => boolean;
  readonly sealer: Sealer;
  readonly egress: EgressPolicy;
  readonly log: Log;
  /** What is registered besides the built-in adapters. */
  readonly adapters: readonly Adapter[];
}

/**
 * Everything that live actions need: the registry of adapters, plugins, who calls them, and who ends what a dead node left.
 * @throws Error with a message for the operator, of plugins that can't be used.
 */
export async function startLiveActions(parts: LiveActionParts) {
  const { config, orm, requests, sealer, egress, log, news, readSecrets } = parts;
  const registry = createBuiltinRegistry();
  for (const adapter of parts.adapters) registry.register(adapter, { source: "PLUGIN", origin: "this server" });
  const plugins = await startPlugins({ modules: config.PLUGINS, directory: process.cwd(), registry, log });
  const em = () => orm.em.fork();
  const tokens = new TokenCache();
  const openHttp: PerformerPorts["openHttp"] = (options) => createVendorHttp({ ...options, egress, tokens });
  const store = createDispatchStore({
    asking: (tenantId) => executePrepared(requests, tenantId),
    ending: (tenantId) => executePrepared(orm, tenantId),
    hasPeers: parts.hasPeers,
  });
  const performer = new Performer({ em, store, readSecrets, openHttp, news, log });
  const sweeper = new DispatchSweeper({ em, news, log });
  sweeper.start();
  const watch = new DispatchWatch({ em, news, log });
  const liveActions = { registry, performer, store, sealer, news, watch, log };
  const decided = { ...liveActions, em, askedAt: parts.askedAt };
  return {
    liveActions,
    decisions: tellingDispatches(decided),
    steps: createStepDispatches(decided),
    async stop() {
      await performer.stop();
      await sweeper.stop();
      await plugins.stop();
    },
  };
}

/** What waits for decisions: a request is of a run or of a live action, and the other one leaves it alone. */
export function tellingBoth(runs: DecidePorts, dispatches: DecidePorts): DecidePorts {
  return {
    async tellDecision(em, approval) {
      await runs.tellDecision(em, approval);
      await dispatches.tellDecision(em, approval);
    },
    askedAt: runs.askedAt,
    async onDecided(approval) {
      await runs.onDecided(approval);
      await dispatches.onDecided(approval);
    },
  };
}
