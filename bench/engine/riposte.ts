import { createActionCatalogue } from "../../src/actions/action-catalogue.ts";
import { systemClock } from "../../src/core/clock.ts";
import { newId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { createLog } from "../../src/core/log.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import type { Attempt, Outcome } from "../../src/executors/executor.ts";
import { createPlaybookCatalogue } from "../../src/playbooks/playbook-catalogue.ts";
import { Engine } from "../../src/runs/engine.ts";
import { isTerminal, type RunEvent } from "../../src/runs/events.ts";
import { Hub } from "../../src/runs/hub.ts";
import { readVariables } from "../../src/secrets/variables.ts";
import { type Contender, type Place, type RunListener, sampleContext, sampleOutput } from "./contender.ts";
import { storeSamplePlaybook } from "./sample-playbook.ts";

/** Our engine with everything on: migrated schema, fenced journal, hub with a subscriber for each run, catalogues, preparation. Only the executor does nothing, in this process. */
export async function openRiposte(place: Place): Promise<Contender> {
  const orm = await openOrm(place, entities);
  await migrate(orm);
  const tenantId = newId();
  const ids = await storeSamplePlaybook(orm, tenantId);
  const playbooks = createPlaybookCatalogue({ em: orm.em });
  const variables = await readVariables(orm.em, tenantId);
  const hub = new Hub();
  const listeners = new Map<string, Heard>();
  const engine = new Engine({
    address: place,
    isAlone: true,
    hub,
    log: createLog("warn"),
    playbookPlan: (tenant, version) => playbooks.plan(tenant, version),
    openSecrets: async () => ({}),
    steps: {
      actions: createActionCatalogue({ em: () => orm.em.fork(), clock: systemClock }),
      variables: () => variables,
      readSecrets: async () => new Map(),
      execute: async ({ idempotencyKey }: Attempt): Promise<Outcome> => {
        listeners.get(idempotencyKey.slice(0, runIdLength))?.onExecute();
        return { status: "SUCCEEDED", output: sampleOutput };
      },
    },
  });
  await engine.start();

  const begin = async (listener: RunListener) => {
    const id = newId();
    listeners.set(id, heardBy(listener));
    const leave = hub.onRun(id, (events) => {
      if (!events?.some(isEnd)) return;
      leave();
      listeners.delete(id);
      listener.onStep();
      listener.onEnd();
    });
    const plan = await playbooks.plan(tenantId, ids.playbookVersionId);
    await engine.begin({
      id,
      tenantId,
      kind: "PLAYBOOK",
      plan: { ...plan, kind: "PLAYBOOK" },
      playbookId: ids.playbookId,
      playbookVersionId: ids.playbookVersionId,
      context: sampleContext as unknown as JsonObject,
      givenSecrets: {},
      startedBy: { kind: "SYSTEM", name: "bench" },
    });
  };
  return {
    begin: (listener) => void begin(listener),
    async close() {
      await engine.stop();
      await orm.close(true);
    },
  };
}

/** A UUID's text: the idempotency key of a step begins with its run's. */
const runIdLength = 36;

interface Heard {
  onExecute(): void;
}

/** The first call of an executor begins the run; each further one says that the step before is durable. */
function heardBy(listener: RunListener): Heard {
  let isBegun = false;
  return {
    onExecute() {
      if (isBegun) listener.onStep();
      else listener.onStart();
      isBegun = true;
    },
  };
}

function isEnd(event: RunEvent): boolean {
  return event.type === "RUN_STATUS" && isTerminal(event.status);
}
