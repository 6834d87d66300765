import type { SimulatedOutput } from "../actions/simulate-invocation.ts";
import type { Json } from "../core/json.ts";
import { formatPath, type Path } from "../expressions/paths.ts";
import type { StandIn } from "../expressions/template.ts";
import { Warnings } from "../expressions/warnings.ts";
import type { Plan } from "../playbooks/plan.ts";
import type { RunState, StepState } from "./fold.ts";
import { storableOutcome } from "./storable-outcome.ts";

/** What a step of a dry run can't know: the outputs of the steps that were simulated. */
export interface DryRun {
  /** The state without those outputs, so that nothing is decided by what a simulation shows. */
  readonly state: RunState;
  /** A path to such an output stands as it is written. */
  readonly standIn: StandIn;
  /** Of every path that was asked for and is not known. */
  warnings(): readonly string[];
}

export function dryRunOf(plan: Plan, state: RunState): DryRun {
  const warnings = new Warnings();
  const steps = new Map(
    [...state.steps].map(([id, step]) => [id, isSimulated(step) ? withoutOutput(plan, step) : step]),
  );
  return {
    state: { ...state, steps },
    standIn(path) {
      if (!isOpen(plan, state, path)) return undefined;
      const written = formatPath(path);
      warnings.add(`${written} is not known in a dry run.`);
      return `{{ ${written} }}`;
    },
    warnings: () => warnings.list(),
  };
}

function isSimulated({ status }: StepState): boolean {
  return status === "SIMULATED";
}

/** Of an approval, the answer is known: it is always yes. */
function withoutOutput({ steps }: Plan, step: StepState): StepState {
  const { output: _shown, ...rest } = step;
  return steps.get(step.stepId)?.type === "APPROVAL" ? { ...rest, output: { decision: "approved" } } : rest;
}

function isOpen({ steps: planned }: Plan, { steps }: RunState, [root, id, field, name]: Path): boolean {
  if (root !== "steps") return false;
  if (id === undefined) return steps.values().some(isSimulated);
  const step = steps.get(String(id));
  if (!step || !isSimulated(step) || (field !== undefined && field !== "output")) return false;
  return !(planned.get(step.stepId)?.type === "APPROVAL" && name === "decision");
}

/** What is kept of a simulated call: all of it, or less where it is too large beside the outputs of the other steps. */
export function storableSimulation(output: SimulatedOutput, others: Iterable<Json | undefined>): SimulatedOutput {
  const { simulated, executor } = output;
  const outcome = storableOutcome({ status: "SUCCEEDED", output }, others);
  if (outcome.status === "SUCCEEDED") return outcome.output as SimulatedOutput;
  return { simulated, executor, tooLarge: true };
}
