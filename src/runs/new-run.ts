import type { JsonObject } from "../core/json.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import type { RunPlan } from "./transition.ts";

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
  readonly startedBy: Actor;
  readonly idempotencyKey?: string;
  readonly inputHash?: string;
}

/** What the engine keeps of a run besides its walk. */
export type RunInfo = Pick<
  NewRun,
  "id" | "tenantId" | "kind" | "plan" | "context" | "parameters" | "givenSecrets" | "actionVersionId"
> & { readonly createdAt: number };
