import { type Json, type JsonObject, storableJson, storableText } from "../core/json.ts";
import { templatePaths } from "../expressions/template.ts";
import type { PlanLiveActionStep } from "../playbooks/plan.ts";
import { createMask } from "../secrets/mask.ts";
import { dryRunOf } from "./dry-run.ts";
import type { StepStatusFact } from "./events.ts";
import type { StepState } from "./fold.ts";
import { isAgain, renderRequest, requestKey, requestOf } from "./live-action-request.ts";
import type { RunInfo } from "./new-run.ts";
import { endLiveAction, performLiveAction } from "./perform-live-action.ts";
import { prepareSafely } from "./prepare-safely.ts";
import { boundStep } from "./request-approval.ts";
import { runScope } from "./run-scope.ts";
import { about, listed, type PreparedStep, type StepOutcome, type StepPorts, type StepStart } from "./step-ports.ts";

/** What is asked of a vendor; or why nothing is. */
export function prepareLiveAction(
  ports: StepPorts,
  start: StepStart,
  step: PlanLiveActionStep,
  env: Readonly<Record<string, string>>,
): PreparedStep {
  const secrets = Object.values(start.run.givenSecrets);
  const ready = prepareSafely({ ports, start, secrets }, () => prepared(ports, start, step, env));
  return ready.begin === undefined && isAgain(start) ? heardFirst(ports, { start, step, fact: ready.fact }) : ready;
}

/** What an interrupted try has asked is heard, whatever it would ask by now; where it has asked nothing, it ends as it was prepared. */
function heardFirst(
  ports: StepPorts,
  { start, step, fact }: { start: StepStart; step: PlanLiveActionStep; fact: StepStatusFact },
): PreparedStep {
  const work = { start, step, request: requestKey(start, step), isAgain: true };
  const { type: _type, stepId: _stepId, attempt: _attempt, input, ...outcome } = fact;
  return {
    fact: { ...about(start), status: "RUNNING", ...(input === undefined ? {} : { input }) },
    begin: async (conversation) => {
      const heard = await endLiveAction(ports, work, conversation);
      const isNothing = heard.status === "CANCELLED" && !conversation.signal.aborted;
      return isNothing ? (outcome as StepOutcome) : heard;
    },
    takesOwnSlot: true,
  };
}

function prepared(
  ports: StepPorts,
  start: StepStart,
  step: PlanLiveActionStep,
  env: Readonly<Record<string, string>>,
): PreparedStep {
  const { run, state } = start;
  const dry = run.dryRun ? dryRunOf(run.plan, state) : undefined;
  const scope = runScope(run, dry?.state ?? state, env);
  const bound = boundStep(state, run.plan, step.id);
  const { target, params, warnings } = renderRequest(step, scope, { bound, standIn: dry?.standIn });
  const request = { ...requestOf(start, step), target, params };
  const mask = createMask(Object.values(run.givenSecrets));
  const shown = ports.liveActions.show(request);
  const { capability, vendorId = null, dryRun } = request;
  const input = storableJson(mask.json({ capability, vendorId, ...shown, dryRun })) as JsonObject;
  const problem = start.keepInput(input);
  if (problem) return { fact: { ...about(start), status: "FAILED", error: problem, isFinal: true } };
  const fact = { ...about(start), input, ...listed([...warnings, ...(dry?.warnings() ?? [])].map(mask.text)) };
  const isOpen = dry && templatePaths({ target: step.target, params: step.params }).some((path) => dry.standIn(path));
  if (isOpen) return { fact: { ...fact, status: "SIMULATED", output: openSimulation(request) } };
  return {
    fact: { ...fact, status: "RUNNING" },
    begin: (conversation) => performLiveAction(ports, { start, step, request, isAgain: isAgain(start) }, conversation),
    takesOwnSlot: true,
  };
}

/** Of a dry run that does not know yet what it would be done to: no adapter could say more. */
function openSimulation({
  requestId,
  capability,
  vendorId,
}: {
  readonly requestId: string;
  readonly capability: string;
  readonly vendorId?: string | null | undefined;
}): Json {
  const note = "Simulation mode: what it would be done to is known in a real run only.";
  const summary = storableText(`Simulated ${capability}: it depends on what earlier steps come to.`);
  return { requestId, status: "simulated", summary, details: { note }, vendorId: vendorId ?? null };
}

/**
 * The step of a run that is ending, whose node died: what it has asked is asked of nobody else, and what a vendor did is told as it is.
 */
export function prepareEnd(
  ports: StepPorts,
  { run, step, known }: { readonly run: RunInfo; readonly step: PlanLiveActionStep; readonly known: StepState },
  state: StepStart["state"],
): PreparedStep {
  const { stepId, attempt } = known;
  const start: StepStart = { run, state, stepId, attempt, outputs: () => [], keepInput: () => undefined };
  const request = requestKey(start, step);
  return {
    fact: { ...about(start), status: "RUNNING" },
    begin: (conversation) => endLiveAction(ports, { start, step, request, isAgain: true }, conversation),
    takesOwnSlot: true,
  };
}
