import { DBOS } from "@dbos-inc/dbos-sdk";
import { Pool } from "pg";
import { type Contender, type Place, type RunListener, sampleContext, sampleOutput, stepsPerRun } from "./contender.ts";

/** Connections of DBOS: more make it slower on two cores (40 < 8, measured). */
const poolSize = 8;

/** DBOS as its documentation has it: a registered workflow, called directly, whose steps go through `runStep`. */
export async function openDbos(place: Place): Promise<Contender> {
  const listeners = new Map<string, RunListener>();
  const workflow = DBOS.registerWorkflow(
    async (key: string, context: typeof sampleContext) => {
      for (let step = 1; step <= stepsPerRun; step += 1) {
        await DBOS.runStep(
          async () => {
            const listener = listeners.get(key);
            if (step === 1) listener?.onStart();
            else listener?.onStep();
            return { ...sampleOutput, ip: context.finding.source_ip };
          },
          { name: `step-${step}` },
        );
      }
    },
    { name: "five-steps" },
  );
  const systemDatabasePool = new Pool({
    host: place.socketDirectory,
    user: place.user,
    database: place.database,
    max: poolSize,
  });
  systemDatabasePool.on("error", () => undefined);
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: `postgresql://${place.user}@localhost/${place.database}?host=${encodeURIComponent(place.socketDirectory)}`,
    systemDatabasePool,
    logLevel: "error",
  });
  await DBOS.launch();
  let count = 0;
  return {
    begin(listener) {
      count += 1;
      const key = `run-${count}`;
      listeners.set(key, listener);
      void workflow(key, sampleContext).then(() => {
        listeners.delete(key);
        listener.onStep();
        listener.onEnd();
      });
    },
    close: () => DBOS.shutdown(),
  };
}
