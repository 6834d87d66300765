import { createActionCatalogue } from "./actions/action-catalogue.ts";
import type { Config } from "./config.ts";
import type { Clock } from "./core/clock.ts";
import { createExpiringCache } from "./core/expiring-cache.ts";
import { StateFailure } from "./core/failures.ts";
import { limits } from "./core/limits.ts";
import type { Log } from "./core/log.ts";
import type { DatabaseAddress } from "./database/address.ts";
import { type Listener, listen } from "./database/listen.ts";
import type { Orm } from "./database/orm.ts";
import { executePrepared } from "./database/statement.ts";
import type { EgressPolicy } from "./executors/egress.ts";
import type { Attempt, Execute, LocalCall, Outcome } from "./executors/executor.ts";
import { createRemoteExecutor } from "./executors/remote.ts";
import { startLiveActions, tellingBoth } from "./live-action-desk.ts";
import type { Adapter } from "./live-actions/adapter.ts";
import type { LocalScripts } from "./local-scripts.ts";
import { type AgentNews, agentChannel } from "./opservant/agent-news.ts";
import type { OpservantExecutor } from "./opservant/opservant-executor.ts";
import { startOpservant } from "./opservant-desk.ts";
import { createPlaybookCatalogue } from "./playbooks/playbook-catalogue.ts";
import { createTriggerCatalogue } from "./playbooks/trigger-catalogue.ts";
import { dispatchAskedAt } from "./runs/asked-at.ts";
import { Engine } from "./runs/engine.ts";
import { Hub } from "./runs/hub.ts";
import { runSecretsPurpose } from "./runs/start-run.ts";
import { tellingRuns } from "./runs/tell-decision.ts";
import { createReadSecrets, type ReadSecrets } from "./secrets/credential-store.ts";
import type { Sealer } from "./secrets/seal.ts";
import { readVariables } from "./secrets/variables.ts";
import { type DisabledTenants, type TenantGate, tenantChannel } from "./tenancy/disabled-tenants.ts";
import { createCompletions } from "./triggers/completed-action.ts";
import { createTriggering } from "./triggers/triggering.ts";

interface RunEngineParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly orm: Orm;
  /** The same database as requests see it. */
  readonly requests: Orm;
  readonly tenants: DisabledTenants;
  readonly address: DatabaseAddress;
  readonly sealer: Sealer;
  readonly egress: EgressPolicy;
  readonly scripts: LocalScripts;
  /** Whether the database is embedded in this process. */
  readonly isAlone: boolean;
  /** Live actions besides the built-in ones. */
  readonly adapters: readonly Adapter[];
}

/** Everything that runs runs: the engine, what it performs steps with (live actions among that), and what tells it of other nodes. */
export async function startRunEngine(parts: RunEngineParts) {
  const { orm, tenants, sealer, clock, log, address, scripts, isAlone } = parts;
  const hub = new Hub();
  const em = () => orm.em.fork();
  const actions = createActionCatalogue({ em, clock });
  const playbooks = createPlaybookCatalogue({ em: orm.em });
  const triggers = createTriggerCatalogue({ em, clock });
  const variables = createExpiringCache({
    load: (tenantId) => readVariables(orm.em, tenantId),
    ttlMs: limits.actionBelievedMs,
    entriesMax: limits.variableTenantsMax,
  });
  const readStored = createReadSecrets({ execute: (tenantId) => executePrepared(orm, tenantId), sealer, clock });
  const agents = startOpservant({ em, sealer, log, files: actions.files });
  const execute = createExecute(parts, scripts.execute, agents.executor);
  const desk = await startLiveActions({
    ...{ ...parts, news: hub, readSecrets: unlessDisabled(tenants, readStored) },
    hasPeers: () => engine.hasPeers(),
    askedAt: dispatchAskedAt,
  });
  const engine = new Engine({
    address,
    isAlone,
    hub,
    tenants,
    log,
    steps: {
      ...{ actions, variables: variables.get, readSecrets: readStored, execute },
      ...{ liveActions: desk.steps, agentTasks: agents.executor },
    },
    playbookPlan: playbooks.plan,
    openSecrets: (tenantId, runId, sealed) => sealer.open(sealed, runSecretsPurpose(tenantId, runId)),
    completions: createCompletions({ em, triggers }),
    onTriggered: () => triggering.wake(),
  });
  const triggering = createTriggering({ engine, sealer, playbooks, triggers, tenants, em, log });
  tenants.onDisabled(() => engine.refuseDisabled());
  const forget = (tenantId: string) => {
    for (const cache of [actions, triggers, variables]) cache.forget(tenantId);
  };
  const forgetAll = () => {
    actions.forgetAll();
    triggers.forgetAll();
    variables.clear();
  };
  const listener = await listenToPeers({ ...parts, hub, agentNews: agents.agentDesk.news, engine, forget, forgetAll });
  await engine.start().catch((error: unknown) => desk.stop().then(() => Promise.reject(error)));
  triggering.start();
  return {
    engine,
    dispatch: triggering.dispatch,
    hub,
    tenantNews: hub,
    decisions: tellingBoth(tellingRuns({ em, engine, hub, log }), desk.decisions),
    liveActions: desk.liveActions,
    agentDesk: agents.agentDesk,
    catalogue: actions,
    playbooks,
    readSecrets: readStored,
    variables: variables.get,
    sandboxRefusal: scripts.sandboxRefusal,
    async stop() {
      await triggering.stop();
      // Side by side: each lets what is under way come to an end for a while.
      await Promise.all([engine.stop(), desk.stop(), agents.stop()]);
      await listener.stop();
    },
  };
}

/** Of a disabled tenant no secret is opened for a vendor; since every call asks for its secrets first, no vendor is called. */
function unlessDisabled(tenants: TenantGate, read: ReadSecrets): ReadSecrets {
  return async (tenantId, names, sealed) => {
    await tenants.believable();
    if (!tenants.isDisabled(tenantId)) return read(tenantId, names, sealed);
    throw new StateFailure("tenant_disabled", "The tenant is disabled, so nobody was contacted.");
  };
}

function createExecute(
  { egress }: RunEngineParts,
  local: Execute<LocalCall>,
  opservant: OpservantExecutor,
): (attempt: Attempt) => Promise<Outcome> {
  const remote = createRemoteExecutor({ egress });
  return ({ call, ...attempt }) => {
    if (call.type === "local") return local({ ...attempt, call });
    return call.type === "remote" ? remote({ ...attempt, call }) : opservant.execute({ ...attempt, call });
  };
}

interface Peers {
  readonly address: DatabaseAddress;
  readonly log: Log;
  readonly hub: Hub;
  readonly tenants: DisabledTenants;
  readonly agentNews: AgentNews;
  readonly engine: Engine;
  readonly forget: (tenantId: string) => void;
  readonly forgetAll: () => void;
}

/** Notifications are hints: what they tell of is looked up, and what was not heard is found without them, only later. */
function listenToPeers({ address, log, hub, tenants, agentNews, engine, forget, forgetAll }: Peers): Promise<Listener> {
  return listen({
    address,
    log,
    channels: ["riposte_catalogue", "riposte_run", "riposte_signal", agentChannel, tenantChannel],
    onNotify(channel, payload) {
      // A read that fails is made up for by the next look.
      if (channel === tenantChannel) return void tenants.renew().catch(() => undefined);
      if (channel === agentChannel) return agentNews.hint(payload);
      if (channel === "riposte_catalogue") forget(payload);
      else hub.hint(payload);
      if (channel === "riposte_signal") void engine.hint([payload]).catch(() => undefined);
    },
    onReconnect() {
      forgetAll();
      void tenants.renew().catch(() => undefined);
      hub.hint("*");
      agentNews.hint("*");
      void engine.wake();
    },
  });
}
