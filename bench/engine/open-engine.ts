import { createActionCatalogue } from "../../src/actions/action-catalogue.ts";
import { systemClock } from "../../src/core/clock.ts";
import { createExpiringCache } from "../../src/core/expiring-cache.ts";
import { limits } from "../../src/core/limits.ts";
import { createLog } from "../../src/core/log.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openOrm } from "../../src/database/orm.ts";
import { executePrepared } from "../../src/database/statement.ts";
import { entities } from "../../src/entities.ts";
import type { StepDispatches } from "../../src/live-actions/step-dispatches.ts";
import type { Plan } from "../../src/playbooks/plan.ts";
import { createPlaybookCatalogue } from "../../src/playbooks/playbook-catalogue.ts";
import { Engine } from "../../src/runs/engine.ts";
import { Hub } from "../../src/runs/hub.ts";
import { readVariables } from "../../src/secrets/variables.ts";
import { createFirstTenant } from "../../src/tenancy/create-first-tenant.ts";
import { DisabledTenants } from "../../src/tenancy/disabled-tenants.ts";
import { type Place, sampleOutput } from "./contender.ts";
import { storeSamplePlaybook } from "./sample-playbook.ts";

/** The admin's token of a tenant that is thrown away with its database. */
export const benchToken = "bench-admin-token-0123456789";

/**
 * Our engine as `src/run-engine.ts` puts it together, everything on: migrated schema, fenced journal, hub, catalogues, preparation. Only
 * the executor does nothing, in this process.
 * @param onExecute Called with a run's id each time an executor would begin.
 * @param plans Plans by version, besides the sample playbook's.
 */
export async function openEngine(
  place: Place,
  onExecute: (runId: string) => void,
  plans: ReadonlyMap<string, Plan> = new Map(),
) {
  const log = createLog("error");
  const clock = systemClock;
  const orm = await openOrm(place, entities);
  await migrate(orm);
  const { tenantId } = await createFirstTenant({ em: orm.em, clock, adminToken: benchToken });
  const ids = await storeSamplePlaybook(orm, tenantId);
  const catalogue = createActionCatalogue({ em: () => orm.em.fork(), clock });
  const playbooks = createPlaybookCatalogue({ em: orm.em });
  const variables = createExpiringCache({
    load: (tenant) => readVariables(orm.em, tenant),
    ttlMs: limits.actionBelievedMs,
    entriesMax: limits.variableTenantsMax,
  });
  const readSecrets = async () => new Map<string, string>();
  const hub = new Hub();
  const tenants = new DisabledTenants({ execute: executePrepared(orm, ""), log });
  await tenants.renew();
  const engine = new Engine({
    address: place,
    isAlone: true,
    hub,
    tenants,
    log,
    playbookPlan: (tenant, versionId) => plans.get(versionId) ?? playbooks.plan(tenant, versionId),
    openSecrets: async (_tenantId, _runId, sealed) => sealed,
    steps: {
      actions: catalogue,
      variables: variables.get,
      readSecrets,
      execute: async ({ idempotencyKey }) => {
        onExecute(idempotencyKey.slice(0, runIdLength));
        return { status: "SUCCEEDED", output: sampleOutput };
      },
      // No playbook here asks a vendor or an agent.
      liveActions: { isCredential: () => false } as unknown as StepDispatches,
      agentTasks: { hear: async () => undefined },
    },
  });
  await engine.start();
  return {
    orm,
    log,
    clock,
    tenants,
    tenantId,
    ids,
    engine,
    hub,
    catalogue,
    playbooks,
    readSecrets,
    variables: variables.get,
  };
}

/** A UUID's text: the idempotency key of a step begins with its run's. */
const runIdLength = 36;
