import { randomBytes } from "node:crypto";
import { silentLog } from "../../src/core/log.ts";
import type { Orm } from "../../src/database/orm.ts";
import { executePrepared } from "../../src/database/statement.ts";
import type { LiveActionInput } from "../../src/live-actions/accept-request.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { type DecidedPorts, tellingDispatches } from "../../src/live-actions/decided-dispatch.ts";
import { dispatchLiveAction } from "../../src/live-actions/dispatch-live-action.ts";
import { createDispatchStore } from "../../src/live-actions/dispatch-store.ts";
import { DispatchWatch } from "../../src/live-actions/dispatch-watch.ts";
import { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { Performer, type PerformerPorts } from "../../src/live-actions/performer.ts";
import { createRegistry } from "../../src/live-actions/registry.ts";
import type { VendorHttp } from "../../src/live-actions/vendor-http.ts";
import { Hub } from "../../src/runs/hub.ts";
import { createReadSecrets } from "../../src/secrets/credential-store.ts";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { putSecret } from "../../src/secrets/put-secret.ts";
import { createSealer } from "../../src/secrets/seal.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import type { OperationContext } from "../../src/tenancy/operation-context.ts";
import { movableClock, operationOf } from "../tenancy/tenancy-fixtures.ts";

/** One node with these adapters on a database. */
export interface DispatchWorld {
  readonly ports: DecidedPorts;
  readonly hub: Hub;
  /** Every name of a secret that was opened. */
  readonly opened: string[];
  as(tenant: Tenant, roles?: readonly string[]): OperationContext;
  dispatch(tenant: Tenant, input: Partial<LiveActionInput>, roles?: readonly string[]): Promise<LiveActionDispatch>;
  put(tenant: Tenant, secrets: Readonly<Record<string, string>>): Promise<void>;
  /** The row as it stands. */
  row(id: string): Promise<LiveActionDispatch>;
}

// Scripted adapters call nobody.
const noHttp = {} as VendorHttp;

interface NodeOptions {
  /** The same for every node of a cluster. */
  readonly secretsKey?: string;
  /** Where adapters call somebody. */
  readonly openHttp?: PerformerPorts["openHttp"];
}

export async function dispatchWorld(
  orm: Orm,
  adapters: readonly Adapter[],
  { secretsKey = randomBytes(32).toString("base64"), openHttp = () => noHttp }: NodeOptions = {},
): Promise<DispatchWorld> {
  const sealer = createSealer(await openKeyRing({ secretsKey, dataDirectory: "/nonexistent" }));
  const registry = createRegistry();
  for (const adapter of adapters) registry.register(adapter, { source: "BUILTIN", origin: "this test" });
  const hub = new Hub();
  const opened: string[] = [];
  const em = () => orm.em.fork();
  const execute = (tenantId: string) => executePrepared(orm, tenantId);
  const store = createDispatchStore({ asking: execute, ending: execute, hasPeers: () => true });
  const readSecrets = createReadSecrets({ execute, sealer, clock: movableClock() });
  const performer = new Performer({
    em,
    store,
    readSecrets: (tenantId, names, sealed) => {
      opened.push(...names);
      return readSecrets(tenantId, names, sealed);
    },
    openHttp,
    news: hub,
    log: silentLog,
  });
  const watch = new DispatchWatch({ em, news: hub, log: silentLog });
  const askedAt: DecidedPorts["askedAt"] = async (_em, { createdAt }) => createdAt;
  const ports = { registry, performer, store, sealer, news: hub, watch, log: silentLog, em, askedAt };
  const as: DispatchWorld["as"] = (tenant, roles = ["operator"]) => operationOf(orm, tenant, roles);
  return {
    ports,
    hub,
    opened,
    as,
    dispatch: (tenant, input, roles) =>
      dispatchLiveAction(as(tenant, roles), ports, { capability: "isolate_host", target: "host-77", ...input }),
    async put(tenant, secrets) {
      for (const [name, value] of Object.entries(secrets)) await putSecret(as(tenant), sealer, { name, value });
    },
    row: (id) => em().findOneOrFail(LiveActionDispatch, { id }),
  };
}

/** The ports of decisions, as the server has them. */
export function decisionsOf({ ports }: DispatchWorld) {
  return tellingDispatches(ports);
}

/** A promise, and what ends it. */
export function held<Value>(): { readonly promise: Promise<Value>; release(value: Value): void } {
  const { promise, resolve } = Promise.withResolvers<Value>();
  return { promise, release: resolve };
}
