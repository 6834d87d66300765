import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { expireForgotten } from "./end-task.ts";

interface SweeperPorts {
  readonly em: () => EntityManager;
  readonly log: Log;
}

/** Ends, now and then, the tasks that nobody follows any more, so that none keeps its secrets. @returns What stops it. */
export function sweepTasks({ em, log }: SweeperPorts): { stop(): Promise<void> } {
  let sweeping: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    sweeping = sweeping
      .then(() => expireForgotten(em()))
      .catch((error: Error) => log.warn({ message: error.message }, "agent_task.sweep_failed"));
  }, limits.agentSweepMs);
  return {
    async stop() {
      clearInterval(timer);
      await sweeping;
    },
  };
}
