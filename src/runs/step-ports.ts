import type { ActionCatalogue } from "../actions/action-catalogue.ts";
import { type Json, type JsonObject, storableText } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { AgentTaskKey, Attempt, ExecutionError, Outcome } from "../executors/executor.ts";
import type { StepDispatches } from "../live-actions/step-dispatches.ts";
import type { ReadSecrets } from "../secrets/credential-store.ts";
import type { Completion } from "./completion.ts";
import type { StepStatusFact } from "./events.ts";
import type { RunState } from "./fold.ts";
import type { NewApproval } from "./journal-entry.ts";
import type { RunInfo } from "./new-run.ts";

/** What a step needs of the world. Answers without a promise keep a step's outcome and the next step's start in one flush. */
export interface StepPorts {
  readonly actions: Pick<ActionCatalogue, "resolve" | "files">;
  readonly variables: (
    tenantId: string,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  readonly readSecrets: ReadSecrets;
  readonly execute: (attempt: Attempt) => Promise<Outcome>;
  readonly agentTasks: AgentTasks;
  readonly liveActions: StepDispatches;
  /** The time of the cluster, milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Log;
}

/** The tasks of agents that runs have asked for before. */
export interface AgentTasks {
  /** How the task ends, told to end once `signal` is aborted; undefined where there is none. */
  hear(
    key: AgentTaskKey,
    conversation: Pick<Conversation, "signal" | "lost" | "onLog" | "logRoom">,
  ): Promise<Outcome | undefined>;
}

/** What an executor under way reports to and hears from. */
export interface Conversation {
  /** Aborted when the step is to end, and when the run is lost. */
  readonly signal: AbortSignal;
  /** Aborted when the run is not this node's to act for any more: nothing is to be undone, and nobody hears an outcome. */
  readonly lost: AbortSignal;
  readonly onLog: Attempt["onLog"];
  readonly logRoom?: Attempt["logRoom"];
  /** For a step that takes its own slot. Undefined where the step was told to end before there was one. */
  readonly inSlot: <T>(task: () => Promise<T>) => Promise<T | undefined>;
}

/** How a step's attempt ended. SIMULATED: nobody was contacted, and the run goes on as after a success. */
export type StepOutcome = (Outcome | { readonly status: "SIMULATED"; readonly output: Json }) &
  Pick<StepStatusFact, "warnings" | "isFinal" | "deeds">;

/** A step that is about to begin: what to write, and, where it has an effect, what to call once that is durable. */
export interface PreparedStep {
  readonly fact: StepStatusFact;
  /** Runs the executor to its end; never rejects for what the outside world does. */
  readonly begin?: (conversation: Conversation) => Promise<StepOutcome>;
  /** It may wait long without an executor at work, and takes a slot itself when it needs one. */
  readonly takesOwnSlot?: true;
  /** The action that begins. */
  readonly action?: Completion["action"];
  /** The request for approval that becomes durable with the fact. */
  readonly approval?: NewApproval;
}

export interface StepStart {
  readonly run: RunInfo;
  readonly state: RunState;
  /** Those of the run by now, also of steps that have only just ended: they share one bound. */
  readonly outputs: () => Iterable<Json | undefined>;
  /** Counts arguments against the bound that those of all its steps share. @returns Why they can't be kept. */
  readonly keepInput: (input: JsonObject) => ExecutionError | undefined;
  readonly stepId: string;
  readonly attempt: number;
}

/** The step and the attempt that a fact is about. */
export function about({ stepId, attempt }: Pick<StepStart, "stepId" | "attempt">) {
  return { type: "STEP_STATUS" as const, stepId, attempt };
}

/** Warnings where there are any, as they can be stored. */
export function listed(warnings: readonly string[]): { warnings?: readonly Json[] & readonly string[] } {
  return warnings.length === 0 ? {} : { warnings: warnings.map(storableText) };
}
