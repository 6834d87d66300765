import type { Json } from "../core/json.ts";
import type { ExecutionError } from "../executors/executor.ts";
import type { Plan, PlanStep } from "../playbooks/plan.ts";
import { isTerminal, type StepStatus } from "./events.ts";
import type { RunState, StepState } from "./fold.ts";

/** A step of a run as the API shows it. Instants in milliseconds since 1970. */
export interface RunStep {
  readonly runId: string;
  readonly stepId: string;
  readonly name: string;
  readonly type: PlanStep["type"];
  readonly status: StepStatus;
  readonly attempt: number;
  readonly startedAt?: number | undefined;
  readonly finishedAt?: number | undefined;
  readonly input?: Json | undefined;
  readonly output?: Json | undefined;
  readonly error?: ExecutionError | undefined;
  readonly warnings: readonly string[];
  readonly actionVersionId?: string | undefined;
  readonly approvalId?: string | undefined;
  /** While it waits: when that ends by itself. */
  readonly dueAt?: number | undefined;
}

/** Every step of the plan, in its order; one that the run ended without reaching was skipped. */
export function stepsOf(runId: string, plan: Plan, state: RunState): readonly RunStep[] {
  return [...plan.steps.values()].map((step) => stepOf(runId, step, state));
}

export function stepOf(runId: string, step: PlanStep, state: RunState): RunStep {
  const place = { runId, stepId: step.id, name: step.name, type: step.type };
  const known = state.steps.get(step.id);
  if (known) return { ...place, ...shownState(known) };
  return { ...place, status: isTerminal(state.status) ? "SKIPPED" : "PENDING", attempt: 0, warnings: [] };
}

function shownState({
  status,
  attempt,
  startedAt,
  finishedAt,
  input,
  output,
  error,
  warnings,
  actionVersionId,
  approvalId,
  retryAt,
  until,
  expiresAt,
}: StepState) {
  const shown = { status, attempt, startedAt, finishedAt, input, output, error, warnings, actionVersionId, approvalId };
  return { ...shown, dueAt: retryAt ?? until ?? expiresAt };
}
