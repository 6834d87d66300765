import type { Approver } from "../approvals/approver.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { parseDuration } from "../expressions/durations.ts";
import { capabilityOf, paramsFieldOf } from "./check-live-action.ts";
import type { Pin } from "./entities.ts";
import type { FailureRule, Plan, PlanApprovalStep, PlanConditionStep, PlanLiveActionStep, PlanStep } from "./plan.ts";
import { type Route, type RouteKind, routesOf, type Strategy, strategyOf } from "./routes.ts";
import { branchesOf, onlyAsks, type StepSource, stepSources, withBranches } from "./step-source.ts";

/**
 * Compiles a document that `checkDocument` found nothing wrong with: every default applied, every `next` resolved.
 * @param pins One for each action step, and for each branch that is an action.
 * @throws Error for a document that was not checked: it was registered, so this is a bug.
 */
export function compilePlan(document: JsonObject, pins: readonly Pin[]): Plan {
  const sources = stepSources(document);
  const strategy = strategyOf(document);
  const routes = Map.groupBy(routesOf(sources, strategy), ({ from }) => from);
  const compiling: Compiling = { sources, routes, strategy, pins: new Map(pins.map((pin) => [pin.stepId, pin])) };
  const steps = new Map(withBranches(sources).map((source) => [idOf(source), compileStep(source, compiling)]));
  const [first] = sources;
  if (!first) throw new Error("A playbook without steps can't be compiled.");
  const minutes = document["timeout_minutes"];
  return {
    key: String(document["id"]),
    version: String(document["version"]),
    first: idOf(first),
    steps,
    maxRetries: numberOf(document["max_retries"]) ?? 0,
    ...(typeof minutes === "number" ? { timeoutMs: minutes * 60_000 } : {}),
  };
}

interface Compiling {
  readonly sources: readonly StepSource[];
  /** By the index of the step they leave. */
  readonly routes: ReadonlyMap<number, readonly Route[]>;
  readonly strategy: Strategy;
  readonly pins: ReadonlyMap<string, Pin>;
}

type Common = Pick<PlanStep, "id" | "name" | "onFailure" | "maxRetries" | "retryDelayMs"> &
  Partial<Pick<PlanStep, "parallel" | "timeoutMs" | "onInterrupt">>;

function compileStep(source: StepSource, compiling: Compiling): PlanStep {
  const { type, fields, parallel } = source;
  const common = commonOf(source, compiling);
  if (type === "condition") return conditionOf(common, source, compiling);
  const onSuccess = parallel ? null : target(source, "SUCCESS", compiling);
  switch (type) {
    case "action": {
      const pin = compiling.pins.get(common.id);
      if (!pin) throw new Error(`Step ${common.id} has no pin.`);
      const { actionRef, actionId } = pin;
      const parameters = isJsonObject(fields["parameters"]) ? fields["parameters"] : {};
      return { ...common, type: "ACTION", onSuccess, actionRef, actionId, parameters };
    }
    case "parallel": {
      const join = fields["join"] === "any" ? "ANY" : "ALL";
      return { ...common, type: "PARALLEL", onSuccess, branches: branchesOf(source).map(idOf), join };
    }
    case "delay":
      return { ...common, type: "DELAY", onSuccess, durationMs: durationMs(fields["duration"]) ?? 0 };
    case "live_action":
      return { ...common, type: "LIVE_ACTION", onSuccess, ...requestedOf(source) };
    case "approval":
      return { ...common, type: "APPROVAL", onSuccess, ...askedOf(source, compiling) };
    default:
      throw new Error(`Step ${common.id} is of type ${type}, which can't be compiled.`);
  }
}

function commonOf(source: StepSource, compiling: Compiling): Common {
  const { fields, parallel } = source;
  const id = idOf(source);
  const timeout = fields["timeout"];
  const onInterrupt = (["retry", "fail"] as const).find((known) => known === fields["on_interrupt"]);
  return {
    id,
    name: String(fields["name"] ?? id),
    ...(parallel ? { parallel: idOf(parallel) } : {}),
    ...failureOf(source, compiling),
    retryDelayMs: durationMs(fields["retry_delay"]) ?? 0,
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) ?? 0 }),
    ...(onInterrupt ? { onInterrupt } : {}),
  };
}

/**
 * Retries come first, then the rule. `on_failure: retry` is not a rule of its own: it is one more try unless `max_retries`
 * says otherwise, and then what the playbook says, which for `retry` is the whole playbook again. Of a branch it is abort then: the
 * playbook's strategy is for what the parallel step comes to. A "no" of people has no retries, and goes to the step that is named for it or
 * nowhere.
 */
function failureOf(source: StepSource, compiling: Compiling): { maxRetries: number; onFailure: FailureRule } {
  if (onlyAsks(source)) return { maxRetries: 0, onFailure: afterNo(source, "FAILURE", compiling) };
  const { fields, parallel } = source;
  const { strategy } = compiling;
  const written = fields["on_failure"];
  const maxRetries = numberOf(fields["max_retries"]) ?? (written === "retry" ? 1 : 0);
  if (written === undefined || written === "retry") return { maxRetries, onFailure: parallel ? "abort" : strategy };
  if (written === "abort" || written === "continue") return { maxRetries, onFailure: written };
  return { maxRetries, onFailure: { step: String(written) } };
}

function conditionOf(common: Common, source: StepSource, compiling: Compiling): PlanConditionStep {
  const onTrue = target(source, "TRUE", compiling);
  const onFalse = target(source, "FALSE", compiling);
  // Where a failure goes under `continue`: the route knows. Nothing else asks for a condition's onSuccess.
  const onSuccess = common.onFailure === "continue" ? target(source, "FAILURE", compiling) : onFalse;
  return { ...common, type: "CONDITION", onSuccess, expression: String(source.fields["expression"]), onTrue, onFalse };
}

/** What is a live action's own. */
function requestedOf(
  source: StepSource,
): Pick<PlanLiveActionStep, "capability" | "vendorId" | "target" | "params" | "dryRun"> {
  const { vendor_id: vendorId, target, dry_run: dryRun } = source.fields;
  const params = source.fields[paramsFieldOf(source)];
  return {
    capability: capabilityOf(source) ?? "",
    ...(typeof vendorId === "string" ? { vendorId } : {}),
    target: String(target),
    params: isJsonObject(params) ? params : {},
    dryRun: dryRun === true,
  };
}

/** What is an approval's own. */
function askedOf(
  source: StepSource,
  compiling: Compiling,
): Omit<PlanApprovalStep, "id" | "name" | "type" | "onSuccess"> {
  const { fields } = source;
  const approvers = Array.isArray(fields["approvers"]) ? fields["approvers"].map(approverOf) : [];
  return {
    onFailure: afterNo(source, "FAILURE", compiling),
    onTimeout: afterNo(source, "TIMEOUT", compiling),
    maxRetries: 0,
    retryDelayMs: 0,
    approvers,
    ...(typeof fields["message"] === "string" ? { message: fields["message"] } : {}),
  };
}

function afterNo(
  source: StepSource,
  kind: "FAILURE" | "TIMEOUT",
  compiling: Compiling,
): "abort" | { readonly step: string } {
  const step = source.parallel ? null : target(source, kind, compiling);
  return step === null ? "abort" : { step };
}

function approverOf(approver: Json): Approver {
  if (!isJsonObject(approver)) throw new Error("An approver is no object.");
  const { role, user } = approver;
  return typeof role === "string" ? { role } : { user: String(user) };
}

/** Id of the step that a way leads to; null ends the run. */
function target(source: StepSource, kind: RouteKind, { sources, routes }: Compiling): string | null {
  const route = routes.get(source.index)?.find((one) => one.kind === kind);
  if (!route) throw new Error(`Step ${source.id} leads nowhere by ${kind}.`);
  const next = route.to === null ? undefined : sources[route.to];
  return next ? idOf(next) : null;
}

function idOf({ id, path }: StepSource): string {
  if (id === undefined) throw new Error(`${path} has no id.`);
  return id;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function durationMs(value: unknown): number | undefined {
  return typeof value === "string" ? parseDuration(value) : undefined;
}
