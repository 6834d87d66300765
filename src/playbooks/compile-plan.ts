import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseDuration } from "../expressions/durations.ts";
import type { Pin } from "./entities.ts";
import type { FailureRule, Plan, PlanStep } from "./plan.ts";
import {
  type Route,
  type RouteKind,
  routesOf,
  type StepSource,
  type Strategy,
  stepSources,
  strategyOf,
} from "./routes.ts";

/**
 * Compiles a document that `checkDocument` found nothing wrong with: every default applied, every `next` resolved.
 * @param pins One for each action step.
 * @throws Error for a document that was not checked: it was registered, so this is a bug.
 */
export function compilePlan(document: JsonObject, pins: readonly Pin[]): Plan {
  const sources = stepSources(document);
  const strategy = strategyOf(document);
  const routes = routesOf(sources, strategy);
  const compiling: Compiling = { sources, routes, strategy, pins: new Map(pins.map((pin) => [pin.stepId, pin])) };
  const steps = new Map(sources.map((source) => [idOf(source), compileStep(source, compiling)]));
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
  readonly routes: readonly Route[];
  readonly strategy: Strategy;
  readonly pins: ReadonlyMap<string, Pin>;
}

function compileStep(source: StepSource, compiling: Compiling): PlanStep {
  const { fields } = source;
  const id = idOf(source);
  const timeout = fields["timeout"];
  const onInterrupt = (["retry", "fail"] as const).find((known) => known === fields["on_interrupt"]);
  const common = {
    id,
    name: String(fields["name"]),
    ...failureOf(source, compiling),
    retryDelayMs: durationMs(fields["retry_delay"]) ?? 0,
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) ?? 0 }),
    ...(onInterrupt ? { onInterrupt } : {}),
  };
  switch (fields["type"]) {
    case "action": {
      const pin = compiling.pins.get(id);
      if (!pin) throw new Error(`Step ${id} has no pin.`);
      const parameters = isJsonObject(fields["parameters"]) ? fields["parameters"] : {};
      const { actionRef, actionId } = pin;
      return {
        ...common,
        type: "ACTION",
        onSuccess: target(source, "SUCCESS", compiling),
        actionRef,
        actionId,
        parameters,
      };
    }
    case "condition": {
      const onTrue = target(source, "TRUE", compiling);
      const onFalse = target(source, "FALSE", compiling);
      // Where a failure goes under `continue`: the route knows. Nothing else asks for a condition's onSuccess.
      const failure = compiling.routes.find(({ from, kind }) => from === source.index && kind === "FAILURE");
      const onSuccess = common.onFailure === "continue" ? idAt(failure?.to ?? null, compiling) : onFalse;
      return { ...common, type: "CONDITION", onSuccess, expression: String(fields["expression"]), onTrue, onFalse };
    }
    default:
      throw new Error(`Step ${id} is of type ${String(fields["type"])}, which can't be compiled.`);
  }
}

/**
 * Retries come first, then the rule. `on_failure: retry` is not a rule of its own: it is one more try unless `max_retries`
 * says otherwise, and then what the playbook says, which for `retry` is the whole playbook again.
 */
function failureOf({ fields }: StepSource, { strategy }: Compiling): { maxRetries: number; onFailure: FailureRule } {
  const written = fields["on_failure"];
  const maxRetries = numberOf(fields["max_retries"]) ?? (written === "retry" ? 1 : 0);
  if (written === undefined || written === "retry") return { maxRetries, onFailure: strategy };
  if (written === "abort" || written === "continue") return { maxRetries, onFailure: written };
  return { maxRetries, onFailure: { step: String(written) } };
}

function target(source: StepSource, kind: RouteKind, compiling: Compiling): string | null {
  const route = compiling.routes.find(({ from, kind: other }) => from === source.index && other === kind);
  if (!route) throw new Error(`Step ${source.id} leads nowhere by ${kind}.`);
  return idAt(route.to, compiling);
}

function idAt(index: number | null, { sources }: Compiling): string | null {
  const source = index === null ? undefined : sources[index];
  return source ? idOf(source) : null;
}

function idOf({ id, index }: StepSource): string {
  if (id === undefined) throw new Error(`Step ${index} has no id.`);
  return id;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function durationMs(value: unknown): number | undefined {
  return typeof value === "string" ? parseDuration(value) : undefined;
}
