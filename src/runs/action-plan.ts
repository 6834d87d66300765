import type { RunPlan } from "./walk.ts";

/** Id of the only step of a run of one action. */
export const actionStepId = "action";

/** The plan of an action executed by itself: one step, of exactly this version. Its outcome is the run's. */
export function actionPlan({ actionId, name, version }: { actionId: string; name: string; version: string }): RunPlan {
  const step = {
    type: "ACTION" as const,
    id: actionStepId,
    name,
    actionId,
    actionRef: `${name}@${version}`,
    parameters: {},
    onSuccess: null,
    onFailure: "abort" as const,
    maxRetries: 0,
    retryDelayMs: 0,
  };
  return { kind: "ACTION", key: name, version, first: step.id, steps: new Map([[step.id, step]]), maxRetries: 0 };
}
