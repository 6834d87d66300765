import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { expireForgotten, forgetLines } from "./end-task.ts";

interface SweeperPorts {
  readonly em: () => EntityManager;
  readonly log: Log;
}

/** Ends the tasks that nobody follows any more, so that none keeps its secrets, and deletes the lines of those that have long ended. */
export async function sweepOnce(em: EntityManager): Promise<void> {
  await expireForgotten(em);
  await forgetLines(em);
}

/** Does that now and then. @returns What stops it. */
export function sweepTasks({ em, log }: SweeperPorts): { stop(): Promise<void> } {
  let sweeping: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    sweeping = sweeping
      .then(() => sweepOnce(em()))
      .catch((error: Error) => log.warn({ message: error.message }, "agent_task.sweep_failed"));
  }, limits.agentSweepMs);
  return {
    async stop() {
      clearInterval(timer);
      await sweeping;
    },
  };
}
