import type { EntityManager } from "@mikro-orm/postgresql";
import type { Log } from "./core/log.ts";
import type { AgentDesk } from "./opservant/agent-desk.ts";
import { AgentNews } from "./opservant/agent-news.ts";
import { EnrolmentTurnstile } from "./opservant/enrolment-turnstile.ts";
import { createOpservantExecutor } from "./opservant/opservant-executor.ts";
import { sweepTasks } from "./opservant/task-sweeper.ts";
import type { Sealer } from "./secrets/seal.ts";

interface OpservantParts {
  /** A fork of its own for each statement. */
  readonly em: () => EntityManager;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly files: AgentDesk["files"];
}

/** Everything that agents need: what their operations use, the executor that hands them tasks, and who ends what is forgotten. */
export function startOpservant(parts: OpservantParts) {
  const news = new AgentNews();
  const agentDesk: AgentDesk = { ...parts, news, turnstile: new EnrolmentTurnstile() };
  return { agentDesk, executor: createOpservantExecutor(agentDesk), stop: sweepTasks(parts).stop };
}
