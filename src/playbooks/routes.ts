import type { JsonObject } from "../core/json.ts";
import { onlyAsks, type StepSource } from "./step-source.ts";

export type RouteKind = "SUCCESS" | "FAILURE" | "TIMEOUT" | "TRUE" | "FALSE";
export type RouteField = "on_success" | "on_failure" | "on_timeout" | "on_true" | "on_false";

/** One way out of a step. */
export interface Route {
  readonly from: number;
  /** Index of the step it leads to; null ends the run. */
  readonly to: number | null;
  readonly kind: RouteKind;
  readonly field: RouteField;
  /** How the author wrote it: not at all, as `next`, or as a step's id or another word. */
  readonly written: "left_out" | "next" | "named";
  /** Fallback steps that a left-out `next` passed over. */
  readonly skipped: readonly number[];
}

export const strategies = ["abort", "continue", "retry"] as const;
export type Strategy = (typeof strategies)[number];

/** The fields of each type of step that say where to go on; `on_failure` is every type's. */
const goingOn: Readonly<Record<string, readonly (readonly [RouteKind, RouteField])[]>> = {
  condition: [
    ["TRUE", "on_true"],
    ["FALSE", "on_false"],
  ],
};
const onwards = [["SUCCESS", "on_success"]] as const;

/** The playbook's own `on_failure`; abort when left out. */
export function strategyOf(document: JsonObject): Strategy {
  return strategies.find((strategy) => strategy === document["on_failure"]) ?? "abort";
}

/**
 * Every way between the steps, with every default applied. A reference to no step is left out: it is reported elsewhere. Branches have no
 * ways of their own: they begin and end within their parallel step.
 */
export function routesOf(steps: readonly StepSource[], strategy: Strategy): Route[] {
  const indexes = indexById(steps);
  const fallbacks = fallbackTargets(steps, indexes);
  return steps.flatMap((step) => {
    const named = (goingOn[step.type] ?? onwards).flatMap(([kind, field]) =>
      forwardRoute({ step, steps, indexes, fallbacks }, kind, field),
    );
    const failure = onlyAsks(step)
      ? noRoute(step, indexes, "FAILURE")
      : failureRoute({ step, steps, indexes, fallbacks }, strategy, named);
    const timeout = step.type === "approval" ? noRoute(step, indexes, "TIMEOUT") : [];
    return [...named, ...failure, ...timeout];
  });
}

/** Index of each id's first step. */
export function indexById(steps: readonly StepSource[]): ReadonlyMap<string, number> {
  const indexes = new Map<string, number>();
  for (const { id, index } of steps) if (id !== undefined && !indexes.has(id)) indexes.set(id, index);
  return indexes;
}

/** The steps that an `on_failure` or `on_timeout` names, each with the first step that does. */
export function fallbackTargets(
  steps: readonly StepSource[],
  indexes: ReadonlyMap<string, number>,
): ReadonlyMap<number, StepSource> {
  const targets = new Map<number, StepSource>();
  for (const step of steps) {
    for (const field of ["on_failure", "on_timeout"] as const) {
      const value = step.fields[field];
      const index = typeof value === "string" ? indexes.get(value) : undefined;
      if (index !== undefined && !targets.has(index)) targets.set(index, step);
    }
  }
  return targets;
}

interface Surroundings {
  readonly step: StepSource;
  readonly steps: readonly StepSource[];
  readonly indexes: ReadonlyMap<string, number>;
  readonly fallbacks: ReadonlyMap<number, StepSource>;
}

function forwardRoute({ step, steps, indexes, fallbacks }: Surroundings, kind: RouteKind, field: RouteField): Route[] {
  const value = step.fields[field];
  const from = step.index;
  if (value === undefined) {
    const skipped: number[] = [];
    let to = from + 1;
    for (; fallbacks.has(to); to++) skipped.push(to);
    // At the end of the list nothing was passed over in favour of another step, but the fallbacks still do not run.
    return [{ from, to: to < steps.length ? to : null, kind, field, written: "left_out", skipped }];
  }
  if (value === "next") {
    return [{ from, to: from + 1 < steps.length ? from + 1 : null, kind, field, written: "next", skipped: [] }];
  }
  if (value === "end") return [{ from, to: null, kind, field, written: "named", skipped: [] }];
  const to = typeof value === "string" ? indexes.get(value) : undefined;
  return to === undefined ? [] : [{ from, to, kind, field, written: "named", skipped: [] }];
}

function failureRoute(around: Surroundings, strategy: Strategy, named: readonly Route[]): Route[] {
  const { step, indexes } = around;
  const value = step.fields["on_failure"];
  const written = value === undefined ? "left_out" : "named";
  const route = { from: step.index, kind: "FAILURE", field: "on_failure", written, skipped: [] } as const;
  const effective = value === undefined || value === "retry" ? strategy : value;
  if (effective === "continue") {
    // As on success. A condition has none: it goes on as its on_success says if that is written, else as if it were false.
    const own =
      step.fields["on_success"] === undefined ? named.at(-1) : forwardRoute(around, "SUCCESS", "on_success")[0];
    return own ? [{ ...route, to: own.to }] : [];
  }
  if (effective === "abort" || effective === "retry") return [{ ...route, to: null }];
  const to = typeof effective === "string" ? indexes.get(effective) : undefined;
  return to === undefined ? [] : [{ ...route, to }];
}

/** Where a "no" of people leads: to the step that is named for it, or to the end, whatever else is written and whatever the strategy is. */
function noRoute(step: StepSource, indexes: ReadonlyMap<string, number>, kind: "FAILURE" | "TIMEOUT"): Route[] {
  const field = kind === "FAILURE" ? "on_failure" : "on_timeout";
  const value = step.fields[field];
  const written = value === undefined ? "left_out" : "named";
  const route = { from: step.index, kind, field, written, skipped: [] } as const;
  if (value === undefined || strategies.some((strategy) => strategy === value)) return [{ ...route, to: null }];
  const to = typeof value === "string" ? indexes.get(value) : undefined;
  return to === undefined ? [] : [{ ...route, to }];
}
