import type { ResolvedAction } from "../actions/action-catalogue.ts";
import { DomainFailure } from "../core/failures.ts";
import type { PlanActionStep } from "../playbooks/plan.ts";
import type { StepPorts, StepStart } from "./step-ports.ts";

/** Why a step can't run as things stand. */
export type Refusal = { readonly code: string; readonly message: string };

type Resolved = ResolvedAction | Refusal;

/** The version that a step's reference means now, or why it means none. Throws, or rejects, only where the catalogue can't be asked. */
export function resolveAction(
  { actions }: StepPorts,
  { run }: StepStart,
  { actionId, actionRef }: PlanActionStep,
): Resolved | Promise<Resolved> {
  try {
    const resolved = actions.resolve(run.tenantId, { actionId, actionRef });
    return resolved instanceof Promise
      ? resolved.then((action) => runnable(run, action), refusalOf)
      : runnable(run, resolved);
  } catch (error) {
    return refusalOf(error);
  }
}

function runnable({ sandbox }: StepStart["run"], action: ResolvedAction): Resolved {
  if (action.enabled || sandbox) return action;
  return { code: "action_disabled", message: `${action.name} is disabled: it runs in the sandbox only.` };
}

/** What a failure says for people; anything else that was thrown goes on its way. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof DomainFailure) return { code: error.code, message: error.message };
  throw error;
}
