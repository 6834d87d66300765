import { secretReference } from "../actions/definition.ts";
import { ValidationFailure } from "../core/failures.ts";
import { type Json, type JsonObject, storableText } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import type { Scope } from "../expressions/scope.ts";
import { renderTemplate, type StandIn } from "../expressions/template.ts";
import type { StepRequest } from "../live-actions/step-dispatches.ts";
import type { PlanLiveActionStep } from "../playbooks/plan.ts";
import type { BoundStep } from "./events.ts";
import { isTerminal } from "./events.ts";
import type { RunInfo } from "./new-run.ts";
import type { StepStart } from "./step-ports.ts";

/** How often an attempt was interrupted before this one: so often this is the same attempt again. */
function interruptionsBefore({ state, stepId, attempt }: Pick<StepStart, "state" | "stepId" | "attempt">): number {
  const known = state.steps.get(stepId);
  if (known === undefined || isTerminal(known.status)) return 0;
  // The attempt's own interruption makes the one after it the same.
  const isItsOwn = known.status === "PENDING" && known.attempt === attempt;
  return isItsOwn ? known.interruptions - 1 : known.interruptions;
}

/** The number of the try: the same for an attempt and for its repetition after a crash. */
export function tryOf(start: Pick<StepStart, "state" | "stepId" | "attempt">): number {
  return start.attempt - interruptionsBefore(start);
}

/** Whether something may have been asked of a vendor or an agent for this attempt before its node died. */
export function isAgain(start: Pick<StepStart, "state" | "stepId" | "attempt">): boolean {
  return interruptionsBefore(start) > 0;
}

/**
 * The request of an attempt but for what it is done to. Its id is the same for an attempt and for its repetition after a crash, so that both
 * mean one dispatch; each further try is a dispatch of its own.
 */
export function requestKey(start: Pick<StepStart, "run" | "state" | "stepId" | "attempt">, step: PlanLiveActionStep) {
  const { run, state, stepId } = start;
  return {
    tenantId: run.tenantId,
    requestId: `${run.id}:${stepId}:${state.runAttempt}:${tryOf(start)}`,
    capability: step.capability,
    dryRun: step.dryRun || run.dryRun === true,
    actor: run.startedBy,
  };
}

/** What is asked of whom; with `target` and `params` it is whole. */
export function requestOf(start: StepStart, step: PlanLiveActionStep): Omit<StepRequest, "target" | "params"> {
  const { vendorId, timeoutMs } = step;
  return {
    ...requestKey(start, step),
    requestedBy: requesterOf(start.run),
    ...(vendorId === undefined ? {} : { vendorId }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function requesterOf({ plan }: RunInfo): string {
  return `playbook ${plan.key}`.slice(0, limits.idLengthMax);
}

export interface RenderedRequest {
  readonly target: string;
  readonly params: JsonObject;
  readonly warnings: readonly string[];
}

/**
 * Target and params with what the templates find. What people approved is what is asked, whatever the templates would yield by now.
 * @throws ValidationFailure where the target comes to nothing, or data would choose a secret.
 */
export function renderRequest(
  step: PlanLiveActionStep,
  scope: Scope,
  { bound, standIn }: { readonly bound?: BoundStep | undefined; readonly standIn?: StandIn | undefined },
): RenderedRequest {
  const { value, warnings } = renderTemplate({ target: step.target, params: step.params }, scope, standIn);
  const rendered = value as { readonly target: Json; readonly params: JsonObject };
  const params = { ...rendered.params, ...bound?.parameters };
  for (const [name, written] of Object.entries(step.params)) {
    if (typeof written === "string" && secretReference(params[name]) !== undefined) throw chosenSecret(name);
  }
  return { target: bound?.target ?? targetOf(rendered.target, step.target), params, warnings };
}

function targetOf(value: Json, written: string): string {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  if (text.trim() !== "") return text;
  const found = value === null || value === "" ? "nothing" : "no text";
  const message = `The target ${written} came to ${found}, so nobody is contacted.`;
  throw new ValidationFailure(
    [{ path: "$.target", code: "invalid_target", message: storableText(message) }],
    message,
    "invalid_target",
  );
}

/** A reference stands in the playbook itself, or it is none: what an event says must not pick a secret. */
function chosenSecret(name: string): ValidationFailure {
  const path = childPath("$.params", name);
  const message = `${path} came out of a template as a reference to a secret; write {"$secret": "name"} itself.`;
  return new ValidationFailure([{ path, code: "secret_from_template", message }], message, "secret_from_template");
}
