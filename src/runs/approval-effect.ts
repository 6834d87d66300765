import type { ResolvedAction } from "../actions/action-catalogue.ts";
import { secretReference } from "../actions/definition.ts";
import { invocationPlan } from "../actions/invocation-plan.ts";
import { DomainFailure } from "../core/failures.ts";
import { type Json, type JsonObject, storableJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Scope } from "../expressions/scope.ts";
import { renderTemplate, templatePaths } from "../expressions/template.ts";
import type { PlanActionStep, PlanApprovalStep, PlanLiveActionStep } from "../playbooks/plan.ts";
import type { Mask } from "../secrets/mask.ts";
import { type BoundStep, isTerminal } from "./events.ts";
import type { RunState } from "./fold.ts";
import type { Refusal } from "./resolve-action.ts";
import type { RunPlan } from "./walk.ts";

/** A step that an approval lets happen; of an action, with the version that its reference means now, or why it means none. */
export type AllowedStep = {
  /** Nothing comes between the decision and this step, so what it will be given is known now. */
  readonly isNext: boolean;
} & (
  | { readonly step: PlanActionStep; readonly action: ResolvedAction | Refusal }
  | { readonly step: PlanLiveActionStep; readonly action?: undefined }
);

/** When and with what the effect is worked out. */
export interface EffectMoment {
  readonly plan: RunPlan;
  readonly state: RunState;
  readonly approval: PlanApprovalStep;
  readonly scope: Scope;
  readonly mask: Mask;
  /** Whether a parameter of a live action is a credential. */
  readonly isCredential: (name: string) => boolean;
}

export interface Effect {
  /**
   * What people see: `{steps: [{stepId, name, action, version | problem, parameters?}], …}`, of a live action
   * `{stepId, name, capability, vendorId, target?, parameters?}`; at most `limits.approvalEffectBytesMax`.
   */
  readonly shown: JsonObject;
  /** What their decision is about, by step: all that runs later is exactly this. */
  readonly bound: Readonly<Record<string, BoundStep>>;
}

/** What an approval lets happen. Arguments that people do not see, because there is too much of them, are not bound either. */
export function effectOf(allowed: readonly AllowedStep[], moment: EffectMoment): Effect {
  const steps = allowed.map((one) => describe(one, moment));
  const whole = { steps: steps.map(({ shown }) => shown) };
  if (isShowable(whole)) return { shown: whole, bound: boundOf(steps) };
  const bare = steps.map(({ shown: { parameters: _parameters, target: _target, ...shown }, stepId, bound }) => ({
    stepId,
    shown,
    bound: bound && withoutArguments(bound),
  }));
  return { shown: shortened(bare.map(({ shown }) => shown)), bound: boundOf(bare) };
}

interface Described {
  readonly stepId: string;
  readonly shown: JsonObject;
  readonly bound: BoundStep | undefined;
}

function withoutArguments({ actionRef }: BoundStep): BoundStep | undefined {
  return actionRef === undefined ? undefined : { actionRef };
}

function describe(allowed: AllowedStep, moment: EffectMoment): Described {
  if (allowed.action === undefined) return describeLiveAction(allowed, moment);
  const { step, action, isNext } = allowed;
  const place = { stepId: step.id, name: step.name };
  if ("code" in action) {
    const problem = { code: action.code, message: action.message };
    return { stepId: step.id, shown: { ...place, action: step.actionRef, problem }, bound: undefined };
  }
  const actionRef = `${action.definition.name}@${action.version}`;
  const shown = { ...place, action: action.definition.name, version: action.version };
  if (!isNext) return { stepId: step.id, shown, bound: { actionRef } };
  const { secretNames: secrets } = invocationPlan(action.definition);
  const { parameters, known } = argumentsOf(step, { written: step.parameters, secrets }, moment);
  return { stepId: step.id, shown: { ...shown, parameters }, bound: { actionRef, parameters: known } };
}

function describeLiveAction(
  { step, isNext }: { readonly step: PlanLiveActionStep; readonly isNext: boolean },
  moment: EffectMoment,
): Described {
  const { id: stepId, name, capability, vendorId = null } = step;
  const shown = { stepId, name, capability, vendorId };
  if (!isNext) return { stepId, shown, bound: undefined };
  const names = Object.keys(step.params);
  const secrets = new Set(names.filter((param) => moment.isCredential(param)));
  const { parameters, known } = argumentsOf(step, { written: step.params, secrets }, moment);
  // By the same rules; it has no name of its own among the params.
  const target = argumentsOf(step, { written: { target: step.target }, secrets: new Set() }, moment);
  const { target: certain } = target.known;
  const bound = { parameters: known, ...(typeof certain === "string" ? { target: certain } : {}) };
  return { stepId, shown: { ...shown, ...target.parameters, parameters }, bound };
}

interface Written {
  readonly written: JsonObject;
  readonly secrets: ReadonlySet<string>;
}

/** The arguments as they are shown, and those of them that are known by now. What can't be known yet is shown as it is written. */
function argumentsOf(step: AllowedStep["step"], { written: all, secrets: secretNames }: Written, moment: EffectMoment) {
  const written = Object.entries(all);
  const plain = written.filter(([name, value]) => !secretNames.has(name) && isKnown(value, step, moment));
  const rendered = render(Object.fromEntries(plain), moment.scope);
  const shown: [string, Json][] = [];
  const known: [string, Json][] = [];
  for (const [name, value] of written) {
    if (secretNames.has(name)) shown.push([name, secretReference(value) === undefined ? "***" : value]);
    else if (!rendered || !Object.hasOwn(rendered, name)) shown.push([name, value]);
    else {
      const masked = moment.mask.json(rendered[name]!);
      shown.push([name, masked]);
      // What people may not see is worked out again when the step runs.
      if (JSON.stringify(masked) === JSON.stringify(rendered[name])) known.push([name, masked]);
    }
  }
  return { parameters: Object.fromEntries(shown), known: Object.fromEntries(known) };
}

/** Undefined where it can't be worked out; the step itself will say why. */
function render(parameters: JsonObject, scope: Scope): JsonObject | undefined {
  try {
    return storableJson(renderTemplate(parameters, scope).value) as JsonObject;
  } catch (error) {
    if (error instanceof DomainFailure) return undefined;
    throw error;
  }
}

/** Whether a parameter would be rendered to the same when the step runs. */
function isKnown(value: Json, step: AllowedStep["step"], moment: EffectMoment): boolean {
  return templatePaths(value).every(([root, id]) => {
    if (root === "steps") return id !== undefined && !isOpen(String(id), step, moment);
    return root !== "now";
  });
}

/** Whether something can still happen to a step between now and the beginning of another one that comes directly after the decision. */
function isOpen(id: string, next: AllowedStep["step"], { plan, state, approval }: EffectMoment): boolean {
  if (id === approval.id || id === next.id || id === next.parallel) return true;
  const parallel = plan.steps.get(id)?.parallel;
  if (parallel !== undefined && (parallel === approval.parallel || parallel === next.parallel)) return true;
  const known = state.steps.get(id);
  // Branches that a join left behind may be about to begin; every other step is reached by way of this one, or not at all.
  return known ? !isTerminal(known.status) : parallel !== undefined;
}

function boundOf(steps: readonly Omit<Described, "shown">[]): Effect["bound"] {
  return Object.fromEntries(steps.flatMap(({ stepId, bound }) => (bound ? [[stepId, bound]] : [])));
}

function isShowable(effect: JsonObject): boolean {
  return Buffer.byteLength(JSON.stringify(effect)) <= limits.approvalEffectBytesMax;
}

/** As many steps as fit, without their arguments, and how many more there are. */
function shortened(steps: readonly JsonObject[]): JsonObject {
  // Room for what says that something is left out.
  let bytes = 100;
  const fitting = steps.filter((step) => {
    bytes += Buffer.byteLength(JSON.stringify(step)) + 1;
    return bytes <= limits.approvalEffectBytesMax;
  });
  const more = steps.length - fitting.length;
  return { steps: fitting, isShortened: true, ...(more > 0 ? { moreStepsCount: more } : {}) };
}
