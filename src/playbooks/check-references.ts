import { shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import type { Findings } from "./findings.ts";
import { indexById, type Route, type RouteField } from "./routes.ts";
import { branchesOf, type StepSource } from "./step-source.ts";

/** Besides steps' ids, the words that a field may hold. */
const words: Readonly<Record<RouteField, readonly string[]>> = {
  on_success: ["next", "end"],
  on_true: ["next", "end"],
  on_false: ["next", "end"],
  on_failure: ["abort", "continue", "retry"],
  on_timeout: ["abort"],
};
const reserved = new Set(Object.values(words).flat());

/** Steps spelled out in one message about a cycle; a longer one is cut in the middle. */
const CYCLE_STEPS_SHOWN = 24;

/**
 * Finds references to no step, and cycles over every way there is.
 * @returns Whether every reference leads to a step and none in a circle.
 */
export function checkReferences(steps: readonly StepSource[], routes: readonly Route[], findings: Findings): boolean {
  const isWhole = checkDangling(steps, findings);
  const cycles = cyclesOf(steps.length, routes);
  for (const cycle of cycles) reportCycle(steps, cycle, findings);
  return isWhole && cycles.length === 0;
}

function checkDangling(steps: readonly StepSource[], findings: Findings): boolean {
  const ids = indexById(steps);
  const branches = new Map(steps.flatMap((step) => branchesOf(step).map(({ id }) => [id, step.id] as const)));
  let isWhole = true;
  for (const { path, fields } of steps) {
    for (const field of Object.keys(words) as RouteField[]) {
      const value = fields[field];
      if (typeof value !== "string" || words[field].includes(value) || (ids.has(value) && !reserved.has(value)))
        continue;
      isWhole = false;
      findings.problem({ path: `${path}.${field}`, ...danglingProblem(field, value, { ids, branches }) });
    }
  }
  return isWhole;
}

interface Known {
  readonly ids: ReadonlyMap<string, number>;
  /** Id of its parallel step, by each branch's. */
  readonly branches: ReadonlyMap<string | undefined, string | undefined>;
}

function danglingProblem(
  field: RouteField,
  value: string,
  { ids, branches }: Known,
): { code: string; message: string } {
  const allowed = `${words[field].join(", ")} or a step's id`;
  if (reserved.has(value)) {
    return { code: "wrong_word", message: `${field} can't be ${value}: it takes ${allowed}.` };
  }
  const code = "dangling_reference";
  const parallel = branches.get(value);
  if (parallel !== undefined) {
    const message = `${shown(value)} is a branch, which only its parallel step starts: name ${shown(parallel)} itself.`;
    return { code, message };
  }
  const hint = nameHint(value, [...ids.keys(), ...words[field]]);
  return { code, message: `There is no step ${shown(value)}; ${field} takes ${allowed}.${hint}` };
}

/** A cycle for each way that leads back to where a walk has come from: independent cycles are all found. */
function cyclesOf(stepCount: number, routes: readonly Route[]): Route[][] {
  const outgoing: Route[][] = Array.from({ length: stepCount }, () => []);
  const known = new Set<string>();
  for (const route of routes) {
    const pair = `${route.from} ${route.to}`;
    if (route.to === null || known.has(pair)) continue;
    known.add(pair);
    outgoing[route.from]?.push(route);
  }
  const cycles: Route[][] = [];
  const state: ("open" | "done" | undefined)[] = [];
  for (let start = 0; start < stepCount; start++) if (!state[start]) walk(start, { outgoing, state, cycles });
  return cycles;
}

interface Search {
  readonly outgoing: readonly (readonly Route[])[];
  readonly state: ("open" | "done" | undefined)[];
  readonly cycles: Route[][];
}

/** Depth first with a stack of its own: a thousand steps in a row are no depth for the program. */
function walk(start: number, { outgoing, state, cycles }: Search): void {
  const trail: Route[] = [];
  const stack = [{ at: start, next: 0 }];
  state[start] = "open";
  for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
    const route = outgoing[frame.at]?.[frame.next++];
    if (!route) {
      state[frame.at] = "done";
      stack.pop();
      trail.pop();
      continue;
    }
    const to = route.to as number;
    if (state[to] === "open") {
      const begin = trail.findIndex(({ from }) => from === to);
      cycles.push([...(begin < 0 ? [] : trail.slice(begin)), route]);
    } else if (!state[to]) {
      state[to] = "open";
      trail.push(route);
      stack.push({ at: to, next: 0 });
    }
  }
}

function reportCycle(steps: readonly StepSource[], cycle: readonly Route[], findings: Findings): void {
  const name = (index: number | null) => (index === null ? "end" : (steps[index]?.id ?? `#${index + 1}`));
  const parts = cycle.map(({ from, field }) => `${name(from)} →(${field}) `);
  const half = CYCLE_STEPS_SHOWN / 2;
  const spelled =
    parts.length > CYCLE_STEPS_SHOWN
      ? `${parts.slice(0, half).join("")}… ${parts.length - 2 * half} more … ${parts.slice(-half).join("")}`
      : parts.join("");
  const closing = cycle.at(-1) as Route;
  const step = steps[closing.from] as StepSource;
  const isWritten = step.fields[closing.field] !== undefined;
  findings.problem({
    path: isWritten ? `${step.path}.${closing.field}` : step.path,
    code: "circular_reference",
    message: `These steps lead in a circle: ${spelled}${name(closing.to)}. To try a step again, use max_retries.`,
  });
}
