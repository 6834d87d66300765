import type { EntityManager } from "@mikro-orm/postgresql";
import type { Log } from "../core/log.ts";
import type { PackageFile } from "../executors/executor.ts";
import type { Sealer } from "../secrets/seal.ts";
import type { AgentNews } from "./agent-news.ts";
import type { EnrolmentTurnstile } from "./enrolment-turnstile.ts";

/** What operations about agents need of the process. */
export interface AgentDesk {
  /** A fork of its own, of nobody's tenant: for what is found by a credential alone. */
  readonly em: () => EntityManager;
  readonly sealer: Sealer;
  readonly news: AgentNews;
  readonly log: Log;
  readonly turnstile: EnrolmentTurnstile;
  /** The package of a version of an action. */
  readonly files: (actionVersionId: string) => readonly PackageFile[] | Promise<readonly PackageFile[]>;
}
