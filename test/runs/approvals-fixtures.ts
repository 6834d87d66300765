import type { ActionDefinition } from "../../src/actions/definition.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { silentLog } from "../../src/core/log.ts";
import type { PlanApprovalStep, PlanParallelStep, PlanStep } from "../../src/playbooks/plan.ts";
import { type RunState, type StepState, unstarted } from "../../src/runs/fold.ts";
import type { RunInfo } from "../../src/runs/new-run.ts";
import { prepareApproval } from "../../src/runs/request-approval.ts";
import type { PreparedStep, StepPorts } from "../../src/runs/step-ports.ts";
import { definitionOf, noLiveActions } from "./engine-world.ts";
import { planOf } from "./walk-driver.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;

export function approvalStep(id: string, rest: Partial<PlanApprovalStep> = {}): PlanApprovalStep {
  const fallbacks = { onFailure: "abort", onTimeout: "abort" } as const;
  return { ...common, ...fallbacks, type: "APPROVAL", id, name: id, approvers: [{ role: "lead" }], ...rest };
}

export function parallelStep(
  id: string,
  branches: readonly string[],
  rest: Partial<PlanParallelStep> = {},
): PlanParallelStep {
  return { ...common, type: "PARALLEL", id, name: id, branches, join: "ALL", ...rest };
}

interface World {
  readonly definitions?: Readonly<Record<string, ActionDefinition>>;
  /** Thrown for these actions instead of an answer. */
  readonly problems?: Readonly<Record<string, Error>>;
  /** Answers come as promises. */
  readonly isSlow?: boolean;
  readonly liveActions?: StepPorts["liveActions"];
}

function portsOf({ definitions = {}, problems = {}, isSlow = false, liveActions = noLiveActions }: World): StepPorts {
  const resolve = (_tenantId: string, { actionId }: { readonly actionId: string }) => {
    const problem = problems[actionId];
    if (problem && !isSlow) throw problem;
    const definition = definitions[actionId] ?? { ...definitionOf(actionId), version: "1.0.7" };
    const action = {
      actionId,
      versionId: actionId,
      name: actionId,
      version: definition.version,
      definition,
      enabled: true,
    };
    if (!isSlow) return action;
    return problem ? Promise.reject(problem) : Promise.resolve(action);
  };
  return {
    actions: { resolve, files: async () => [] },
    liveActions,
    log: silentLog,
    now: () => 1_000,
  } as unknown as StepPorts;
}

export interface Given extends World {
  readonly steps: readonly PlanStep[];
  readonly states?: readonly (Pick<StepState, "stepId" | "status"> & Partial<StepState>)[];
  readonly run?: Partial<RunInfo>;
}

export function stateOf(states: NonNullable<Given["states"]>): RunState {
  const full = states.map(
    (one): StepState => ({ attempt: 1, firstAttempt: 1, interruptions: 0, warnings: [], ...one }),
  );
  return { ...unstarted, status: "RUNNING", steps: new Map(full.map((step) => [step.stepId, step])) };
}

/** The request that the step `ask` makes. */
export async function requestOf({ steps, states = [], run = {}, ...world }: Given) {
  const plan = planOf(steps);
  const info = {
    ...{ id: "run-1", tenantId: "t", kind: "PLAYBOOK", plan, createdAt: 0 },
    ...{ context: { finding: { ip: "10.0.0.7", title: "Odd" } }, givenSecrets: {} },
    startedBy: { kind: "TOKEN", id: "token-1", name: "ann" },
    ...run,
  } as RunInfo;
  const step = plan.steps.get("ask") as PlanApprovalStep;
  const start = {
    run: info,
    state: stateOf(states),
    stepId: "ask",
    attempt: 1,
    outputs: () => [],
    keepInput: () => undefined,
  };
  const prepared: PreparedStep = await prepareApproval(portsOf(world), start, step, { region: "eu" });
  const effect = (prepared.approval?.effect ?? {}) as {
    steps: JsonObject[];
    isShortened?: true;
    moreStepsCount?: number;
  };
  return { ...prepared, effect, bound: prepared.fact.approval?.bound ?? {} };
}
