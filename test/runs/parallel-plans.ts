import type { PlanParallelStep, PlanStep } from "../../src/playbooks/plan.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import { actionStep, always, parallelSteps, planOf, type Script, succeeded, WalkDriver } from "./walk-driver.ts";

/** `all` or `any` over these branches, then `next`; `rescue` is reached by name only. */
export function playbook(
  branches: readonly PlanStep[],
  rest: Partial<PlanParallelStep> = {},
  run: Partial<RunPlan> = {},
): RunPlan {
  const parallel = parallelSteps("p", branches, { onSuccess: "next", ...rest });
  return planOf([...parallel, actionStep("next"), actionStep("rescue")], run);
}

export const two = [actionStep("x"), actionStep("y")];
export const walked = (plan: RunPlan, script: Script = always(succeeded)) => new WalkDriver(plan, script).begin();
