import { newId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { isTerminal, type RunEvent } from "../../src/runs/events.ts";
import { type Contender, type Place, type RunListener, sampleContext } from "./contender.ts";
import { openEngine } from "./open-engine.ts";

/** Runs are begun at the engine's own port, and each is followed by a subscriber of the hub. */
export async function openRiposte(place: Place): Promise<Contender> {
  const executeListeners = new Map<string, () => void>();
  const world = await openEngine(place, (runId) => executeListeners.get(runId)?.());
  const { engine, hub, orm, playbooks, tenantId, ids } = world;

  const begin = async (listener: RunListener) => {
    const id = newId();
    executeListeners.set(id, onExecute(listener));
    const leave = hub.onRun(id, (events) => {
      if (!events?.some(isEnd)) return;
      leave();
      executeListeners.delete(id);
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

/** The first call of an executor begins the run; each further one says that the step before is durable. */
function onExecute(listener: RunListener): () => void {
  let isBegun = false;
  return () => {
    if (isBegun) listener.onStep();
    else listener.onStart();
    isBegun = true;
  };
}

function isEnd(event: RunEvent): boolean {
  return event.type === "RUN_STATUS" && isTerminal(event.status);
}
