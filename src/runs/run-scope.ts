import type { JsonObject } from "../core/json.ts";
import { eventScope, type Scope } from "../expressions/scope.ts";
import type { RunState } from "./fold.ts";
import type { RunInfo } from "./new-run.ts";

/** What templates, expressions and conditions of a run can read at this moment. */
export function runScope(run: RunInfo, state: RunState, env: Readonly<Record<string, string>>): Scope {
  const steps: Record<string, unknown> = Object.create(null);
  for (const step of state.steps.values()) {
    steps[step.stepId] = {
      status: step.status.toLowerCase(),
      output: step.output ?? null,
      error: step.error ? { code: step.error.code, message: step.error.message } : null,
    };
  }
  return { ...baseScope(run), steps, env, run: { id: run.id }, now: new Date().toISOString() };
}

const bases = new WeakMap<JsonObject, Scope>();

// The context of a run never changes, so what is read from it is worked out once.
function baseScope({ context, eventType = "manual" }: RunInfo): Scope {
  const known = bases.get(context);
  if (known) return known;
  const base = eventScope({ type: eventType, data: context });
  bases.set(context, base);
  return base;
}
