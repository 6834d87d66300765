import type { AgentTaskKey } from "../executors/executor.ts";
import type { StepStatusFact } from "./events.ts";
import type { StepState } from "./fold.ts";
import { isAgain, tryOf } from "./live-action-request.ts";
import type { RunInfo } from "./new-run.ts";
import { about, type PreparedStep, type StepOutcome, type StepPorts, type StepStart } from "./step-ports.ts";

/** Which task of an agent is this try's, also after a crash. */
export function agentTaskKey(start: Pick<StepStart, "run" | "state" | "stepId" | "attempt">): AgentTaskKey {
  const { run, state, stepId } = start;
  return { tenantId: run.tenantId, runId: run.id, stepId, runAttempt: state.runAttempt, attempt: tryOf(start) };
}

/**
 * A step that would end without being begun: where a dead node has asked an agent for this very try, the agent is heard first. What it answers
 * is told as it is, since the version that maps it may be what can't be had any more.
 */
export function heardFirst(ports: StepPorts, start: StepStart, prepared: PreparedStep): PreparedStep {
  const { status, onInterrupt } = start.state.steps.get(start.stepId) ?? {};
  const mayBeAtWork = status === "PENDING" && onInterrupt === "hear" && isAgain(start);
  if (prepared.begin || !mayBeAtWork) return prepared;
  const { type: _type, stepId: _stepId, attempt: _attempt, input, ...outcome } = prepared.fact;
  const fact: StepStatusFact = { ...about(start), status: "RUNNING", ...(input === undefined ? {} : { input }) };
  const begin: PreparedStep["begin"] = async (conversation) =>
    (await ports.agentTasks.hear(agentTaskKey(start), conversation)) ?? (outcome as StepOutcome);
  return { fact, begin, takesOwnSlot: true };
}

/** The step of a run that is ending, whose node died: its agent is told to end, and how it ended is heard. */
export function prepareAgentEnd(
  ports: StepPorts,
  { run, known }: { readonly run: RunInfo; readonly known: StepState },
  state: StepStart["state"],
): PreparedStep {
  const { stepId, attempt } = known;
  const start = { run, state, stepId, attempt };
  return {
    fact: { ...about(start), status: "RUNNING" },
    begin: async (conversation) =>
      (await ports.agentTasks.hear(agentTaskKey(start), conversation)) ?? { status: "CANCELLED" },
    takesOwnSlot: true,
  };
}
