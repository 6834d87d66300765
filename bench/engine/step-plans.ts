import type { Plan, PlanActionStep, PlanStep } from "../../src/playbooks/plan.ts";
import { stepsPerRun } from "./contender.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;
const range = (length: number) => Array.from({ length }, (_, index) => index);

/** A plan to measure, and how many steps a run of it has. */
export interface MeasuredPlan {
  readonly title: string;
  readonly plan: Plan;
  readonly steps: number;
}

/** Runs of one type of step each; `action` is what they are compared with. */
export function stepPlans(action: PlanActionStep): readonly MeasuredPlan[] {
  const actionAt = (index: number): PlanStep => ({ ...action, id: `step-${index + 1}`, onSuccess: null });
  const branches = range(stepsPerRun).map((index) => ({ ...actionAt(index), parallel: "fork" }));
  const ids = branches.map(({ id }) => id);
  const fork: PlanStep = { ...common, type: "PARALLEL", id: "fork", name: "fork", branches: ids, join: "ALL" };
  return [
    measured("action", chain(range(stepsPerRun).map(actionAt))),
    measured(
      "condition",
      chain(
        range(stepsPerRun).map((index) => ({
          ...common,
          type: "CONDITION",
          id: `step-${index + 1}`,
          name: "c",
          expression: "{{ finding.severity }} >= 'high' and {{ finding.score }} > 7",
          onTrue: null,
          onFalse: null,
        })),
      ),
    ),
    measured("parallel, all", [fork, ...branches]),
    measured("parallel, any", [{ ...fork, join: "ANY" }, ...branches]),
    measured("delay of 1 ms", chain(range(stepsPerRun).map((index) => delayOf(`step-${index + 1}`, 1)))),
    measured("approval", chain(range(stepsPerRun).map((index) => approvalOf(`step-${index + 1}`)))),
  ];
}

/** A run that sleeps. */
export function sleepPlan(durationMs: number): Plan {
  return planOf([delayOf("sleep", durationMs)]);
}

function approvalOf(id: string): PlanStep {
  return {
    ...{ ...common, type: "APPROVAL", id, name: id, onTimeout: "abort", onFailure: "abort" },
    approvers: [{ role: "security_lead" }],
    message: "Contain {{ asset.hostname }}?",
  };
}

function delayOf(id: string, durationMs: number): PlanStep {
  return { ...common, type: "DELAY", id, name: id, durationMs };
}

function chain(steps: readonly PlanStep[]): PlanStep[] {
  return steps.map((step, index) => {
    const next = steps[index + 1]?.id ?? null;
    return step.type === "CONDITION" ? { ...step, onTrue: next, onFalse: next } : { ...step, onSuccess: next };
  });
}

function measured(title: string, steps: readonly PlanStep[]): MeasuredPlan {
  return { title, plan: planOf(steps), steps: steps.length };
}

function planOf(steps: readonly PlanStep[]): Plan {
  const byId = new Map(steps.map((step) => [step.id, step]));
  return { key: "measured", version: "1.0.0", first: steps[0]?.id ?? "", steps: byId, maxRetries: 0 };
}
