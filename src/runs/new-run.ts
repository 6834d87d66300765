import type { AuditRow } from "../audit/record-audit.ts";
import type { JsonObject } from "../core/json.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import type { Chain } from "./chain.ts";
import type { Fact } from "./events.ts";
import type { RunPlan } from "./walk.ts";

/** A run that is to begin. */
export interface NewRun {
  readonly id: string;
  readonly tenantId: string;
  readonly kind: "ACTION" | "PLAYBOOK";
  readonly plan: RunPlan;
  readonly playbookId?: string;
  readonly playbookVersionId?: string;
  readonly actionId?: string;
  readonly actionVersionId?: string;
  /** `{finding, asset, …}`: what templates and conditions read. */
  readonly context: JsonObject;
  /** The caller's parameters of an action executed by itself, without its secrets. */
  readonly parameters?: JsonObject;
  /** Secrets given with the call: in memory while the run is resident, sealed in its row until it ends. */
  readonly givenSecrets: Readonly<Record<string, string>>;
  readonly sealedSecrets?: string;
  /** What is stored of `context` and `parameters` instead of them, where a given secret stands in them too. */
  readonly shown?: { readonly context: JsonObject; readonly parameters?: JsonObject };
  /** Whose `id` is that of the token or person behind it, also where the product itself starts it. */
  readonly startedBy: Actor;
  /** Every executor is answered by a simulation. */
  readonly dryRun?: boolean;
  /** Nothing outside is touched. */
  readonly sandbox?: boolean;
  /** The event that started it, and its type, e.g. `finding.new`. */
  readonly eventId?: string;
  readonly eventType?: string;
  readonly chain?: Chain;
  /** The run that this one reruns, and its first events: the outcomes that it takes over from it, and what there is to say of them. */
  readonly rerunOfId?: string;
  readonly takenOver?: readonly Fact[];
  readonly idempotencyKey?: string;
  readonly inputHash?: string;
  /** The entry of the audit trail that is written with it; none for what the product itself starts. */
  readonly audit?: AuditRow & { readonly id: string };
}

/** What the engine keeps of a run besides its walk. */
export type RunInfo = Pick<
  NewRun,
  | "id"
  | "tenantId"
  | "kind"
  | "plan"
  | "playbookId"
  | "context"
  | "parameters"
  | "givenSecrets"
  | "actionVersionId"
  | "startedBy"
  | "dryRun"
  | "sandbox"
  | "eventType"
  | "chain"
> & { readonly createdAt: number };
