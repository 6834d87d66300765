import type { JsonObject } from "../core/json.ts";
import { shown } from "../core/json-path.ts";
import type { Findings } from "./findings.ts";
import { fallbackTargets, indexById, type Route, strategyOf } from "./routes.ts";
import { onlyAsks, type StepSource, withBranches } from "./step-source.ts";

/** Warns of what is allowed and seldom meant. For documents whose references all lead somewhere. */
export function checkFlow(
  document: JsonObject,
  steps: readonly StepSource[],
  routes: readonly Route[],
  findings: Findings,
): void {
  const flow = { steps, routes, outgoing: bySource(steps, routes), findings };
  warnUnreachable(flow);
  warnFallbacks(flow);
  warnFallingThrough(flow);
  warnHiddenFailures(document, flow);
}

interface Flow {
  readonly steps: readonly StepSource[];
  readonly routes: readonly Route[];
  readonly outgoing: readonly (readonly Route[])[];
  readonly findings: Findings;
}

function bySource(steps: readonly StepSource[], routes: readonly Route[]): Route[][] {
  const outgoing: Route[][] = steps.map(() => []);
  for (const route of routes) outgoing[route.from]?.push(route);
  return outgoing;
}

function name(steps: readonly StepSource[], index: number): string {
  return shown(steps[index]?.id ?? `#${index + 1}`);
}

/** Every step that can come after `start`, itself included, on ways that do not go through `without`. */
function reachable(outgoing: Flow["outgoing"], start: number, without?: number): Set<number> {
  const found = new Set([start]);
  for (const at of found) {
    for (const { to } of outgoing[at] ?? []) if (to !== null && to !== without) found.add(to);
  }
  return found;
}

function warnUnreachable({ steps, outgoing, findings }: Flow): void {
  const reached = reachable(outgoing, 0);
  for (const { index, path } of steps) {
    if (reached.has(index)) continue;
    const message = `No way leads to step ${name(steps, index)}: it never runs.`;
    findings.warning({ path, code: "unreachable_step", message });
  }
}

function warnFallbacks({ steps, routes, findings }: Flow): void {
  const fallbacks = fallbackTargets(steps, indexById(steps));
  for (const { from, to, field, written, skipped } of routes) {
    const step = steps[from] as StepSource;
    if (skipped.length > 0) {
      const names = skipped.map((index) => name(steps, index)).join(", ");
      const target = to === null ? "the run ends" : `goes on to ${name(steps, to)}`;
      const message = `${field} is left out: ${target}, past ${names}, which stands behind a failure. Write ${field} to say otherwise.`;
      findings.warning({ path: step.path, code: "fallback_skipped", message });
    }
    const behind = to === null ? undefined : fallbacks.get(to);
    if (written === "next" && to !== null && behind) {
      const message = `next is ${name(steps, to)}, the fallback of ${name(steps, behind.index)}: it runs after a success, too.`;
      findings.warning({ path: `${step.path}.${field}`, code: "fallback_reached", message });
    }
  }
}

function warnFallingThrough({ steps, outgoing, findings }: Flow): void {
  const told = new Set<string>();
  for (const condition of steps) {
    const ways = outgoing[condition.index]?.filter(({ kind }) => kind === "TRUE" || kind === "FALSE") ?? [];
    const [one, other] = ways.map(({ to }) => to);
    if (one == null || other == null || one === other) continue;
    for (const [start, end] of [
      [one, other],
      [other, one],
    ] as const) {
      for (const index of reachable(outgoing, start, end)) {
        const through = outgoing[index]?.find(
          ({ to, kind, written }) => to === end && kind !== "FAILURE" && written !== "named",
        );
        const key = `${index} ${end}`;
        if (!through || told.has(key)) continue;
        told.add(key);
        const { path } = steps[index] as StepSource;
        const message = `Step ${name(steps, index)} goes on to ${name(steps, end)}, the other branch of condition ${name(steps, condition.index)}. Write ${through.field}: end, or ${through.field}: ${steps[end]?.id} if that is meant.`;
        findings.warning({ path, code: "branch_falls_through", message });
      }
    }
  }
}

function warnHiddenFailures(document: JsonObject, { steps, findings }: Flow): void {
  const code = "failure_hidden";
  if (strategyOf(document) === "continue") {
    const message = "A run goes on after failed steps and ends as succeeded; failedStepCount tells how many failed.";
    findings.warning({ path: "$.on_failure", code, message });
  }
  for (const step of withBranches(steps)) {
    const { path, fields, id, parallel } = step;
    if (fields["on_failure"] !== "continue" || onlyAsks(step)) continue;
    const whole = parallel ? `${shown(parallel.id ?? parallel.path)} and the run` : "the run";
    const message = `A failure of ${shown(id ?? path)} is passed over: ${whole} may end as succeeded, with a failedStepCount.`;
    findings.warning({ path: `${path}.on_failure`, code, message });
  }
}
