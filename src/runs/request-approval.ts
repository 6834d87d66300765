import { cutText } from "../core/cut-text.ts";
import { newId } from "../core/ids.ts";
import { storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { turns } from "../core/turns.ts";
import { renderTemplate } from "../expressions/template.ts";
import type { Plan, PlanApprovalStep, PlanStep } from "../playbooks/plan.ts";
import { createMask } from "../secrets/mask.ts";
import { type AllowedStep, type EffectMoment, effectOf } from "./approval-effect.ts";
import type { BoundStep } from "./events.ts";
import type { RunState } from "./fold.ts";
import { prepareSafely } from "./prepare-safely.ts";
import { resolveAction } from "./resolve-action.ts";
import { runScope } from "./run-scope.ts";
import { about, listed, type PreparedStep, type StepPorts, type StepStart } from "./step-ports.ts";

/**
 * Works out what people are asked: the message, until when, and what a "yes" lets happen. A message that can't be rendered is the
 * step's failure.
 */
export function prepareApproval(
  ports: StepPorts,
  start: StepStart,
  step: PlanApprovalStep,
  env: Readonly<Record<string, string>>,
): PreparedStep | Promise<PreparedStep> {
  const behind = stepsBehind(start, step);
  const actions = behind.map(({ step: one }) => (one.type === "ACTION" ? resolveAction(ports, start, one) : undefined));
  const request = (resolved: readonly AllowedStep["action"][]): PreparedStep => {
    const allowed = behind.map((one, index) => ({ ...one, action: resolved[index] }) as AllowedStep);
    return prepareSafely({ ports, start, secrets: [] }, () => requestOf(ports, start, { step, env, allowed }));
  };
  // Every promise is awaited here, so that none can fail unheard.
  if (actions.some((action) => action instanceof Promise)) {
    return Promise.all(actions).then((resolved) => turns.take(() => request(resolved)));
  }
  return request(actions as AllowedStep["action"][]);
}

/** The version and the arguments that people approved for a step, in this attempt of the run; undefined where nobody was asked. */
export function boundStep(state: RunState, plan: Plan, stepId: string): BoundStep | undefined {
  let newest: { readonly at: number; readonly bound: BoundStep } | undefined;
  for (const { stepId: id, status, bound, finishedAt: at = 0 } of state.steps.values()) {
    if (bound === undefined || status !== "SUCCEEDED" || plan.steps.get(id)?.type !== "APPROVAL") continue;
    if (Object.hasOwn(bound, stepId) && (!newest || at >= newest.at)) newest = { at, bound: bound[stepId]! };
  }
  return newest?.bound;
}

/**
 * Every action and live action that can come after a yes and before people are asked again, in the order of the document. After a branch, that is what
 * follows its parallel step. What a rerun took over does not come again.
 */
function stepsBehind(
  { run: { plan }, state }: StepStart,
  approval: PlanApprovalStep,
): Pick<AllowedStep, "step" | "isNext">[] {
  const around = approval.parallel === undefined ? undefined : plan.steps.get(approval.parallel);
  const first = (around ?? approval).onSuccess;
  const reached = new Set<string>();
  const waiting = first === null ? [] : [first];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const step = plan.steps.get(id);
    if (!step || reached.has(id)) continue;
    reached.add(id);
    waiting.push(...successorsOf(step));
  }
  return [...plan.steps.values()].flatMap((step) => {
    const acts = step.type === "ACTION" || step.type === "LIVE_ACTION";
    if (!acts || !reached.has(step.id) || state.steps.get(step.id)?.isTakenOver) return [];
    return [{ step, isNext: step.id === first || (step.parallel !== undefined && step.parallel === first) }];
  });
}

function successorsOf(step: PlanStep): readonly string[] {
  const fallback = typeof step.onFailure === "object" ? step.onFailure.step : null;
  const next = (...ids: (string | null)[]) => [...ids, fallback].filter((id) => id !== null);
  switch (step.type) {
    case "ACTION":
    case "LIVE_ACTION":
    case "DELAY":
      return next(step.onSuccess);
    case "CONDITION":
      // The last is where it goes on when it can't be asked.
      return next(step.onTrue, step.onFalse, step.onSuccess);
    case "PARALLEL":
      return next(...step.branches, step.onSuccess);
    case "APPROVAL":
      return [];
    default:
      return step satisfies never;
  }
}

interface RequestInputs {
  readonly step: PlanApprovalStep;
  readonly env: Readonly<Record<string, string>>;
  readonly allowed: readonly AllowedStep[];
}

function requestOf(ports: StepPorts, start: StepStart, { step, env, allowed }: RequestInputs): PreparedStep {
  const { run, state } = start;
  const scope = runScope(run, state, env);
  const mask = createMask(Object.values(run.givenSecrets));
  const { isCredential } = ports.liveActions;
  const moment: EffectMoment = { plan: run.plan, state, approval: step, scope, mask, isCredential };
  const { value, warnings } = renderTemplate(step.message ?? null, scope);
  const text = value === null || typeof value === "string" ? value : JSON.stringify(value);
  const { shown, bound } = effectOf(allowed, moment);
  const id = newId();
  const expiresAt = step.timeoutMs === undefined ? null : ports.now() + step.timeoutMs;
  return {
    fact: {
      ...about(start),
      status: "WAITING",
      approval: { id, ...(expiresAt === null ? {} : { expiresAt }), bound },
      ...listed(warnings.map(mask.text)),
    },
    approval: {
      id,
      stepId: step.id,
      message: text === null ? null : storableText(cutText(mask.text(text), limits.textLengthMax)),
      approvers: step.approvers,
      requesterId: run.startedBy.id ?? null,
      expiresAt,
      effect: shown,
    },
  };
}
