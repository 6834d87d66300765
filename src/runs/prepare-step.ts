import { turns } from "../core/turns.ts";
import { evaluateExpression, expressionPaths, parseExpression } from "../expressions/expression.ts";
import type { PlanApprovalStep, PlanConditionStep, PlanDelayStep } from "../playbooks/plan.ts";
import { dryRunOf } from "./dry-run.ts";
import { prepareAction } from "./prepare-action.ts";
import { prepareLiveAction } from "./prepare-live-action.ts";
import { prepareSafely } from "./prepare-safely.ts";
import { prepareApproval } from "./request-approval.ts";
import { runScope } from "./run-scope.ts";
import { about, listed, type PreparedStep, type StepPorts, type StepStart } from "./step-ports.ts";

/** Works out a step's inputs. Nothing outside is touched. */
export function prepareStep(ports: StepPorts, start: StepStart): PreparedStep | Promise<PreparedStep> {
  const step = start.run.plan.steps.get(start.stepId);
  if (!step) throw new Error(`The plan has no step ${start.stepId}.`);
  switch (step.type) {
    case "ACTION":
      return prepareAction(ports, start, step);
    case "LIVE_ACTION":
      return withVariables(ports, start, (env) => prepareLiveAction(ports, start, step, env));
    case "CONDITION":
      return withVariables(ports, start, (env) => {
        return prepareSafely({ ports, start, secrets: [] }, () => condition(step, start, env));
      });
    case "PARALLEL":
      return { fact: { ...about(start), status: "RUNNING" } };
    case "DELAY":
      return delay(ports, step, start);
    case "APPROVAL":
      return start.run.dryRun
        ? approved(step, start)
        : withVariables(ports, start, (env) => prepareApproval(ports, start, step, env));
    default:
      return step satisfies never;
  }
}

type Env = Readonly<Record<string, string>>;

function withVariables(
  { variables }: StepPorts,
  { run }: StepStart,
  prepare: (env: Env) => PreparedStep | Promise<PreparedStep>,
): PreparedStep | Promise<PreparedStep> {
  const env = variables(run.tenantId);
  return env instanceof Promise ? env.then((known) => turns.take(() => prepare(known))) : prepare(env);
}

function condition(step: PlanConditionStep, start: StepStart, env: Env): PreparedStep {
  const expression = parseExpression(step.expression);
  const dry = start.run.dryRun ? dryRunOf(start.run.plan, start.state) : undefined;
  const { value, warnings } = evaluateExpression(expression, runScope(start.run, dry?.state ?? start.state, env));
  if (dry) for (const path of expressionPaths(expression)) dry.standIn(path);
  const all = [...warnings, ...(dry?.warnings() ?? [])];
  return { fact: { ...about(start), status: "SUCCEEDED", output: { result: value }, ...listed(all) } };
}

/** A dry run does not wait. */
function delay(ports: StepPorts, { durationMs }: PlanDelayStep, start: StepStart): PreparedStep {
  if (start.run.dryRun) return { fact: { ...about(start), status: "SIMULATED", output: { waitsMs: durationMs } } };
  return { fact: { ...about(start), status: "WAITING", until: ports.now() + durationMs } };
}

/** In a dry run nobody is asked, and the answer is yes. */
function approved({ approvers }: PlanApprovalStep, start: StepStart): PreparedStep {
  const output = { decision: "approved", decidedBy: null, comment: null, asks: approvers.map((one) => ({ ...one })) };
  return { fact: { ...about(start), status: "SIMULATED", output } };
}
