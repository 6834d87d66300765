import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { expressionPaths, parseExpression } from "../expressions/expression.ts";
import { formatPath, type Path } from "../expressions/paths.ts";
import { scopeRoots } from "../expressions/scope.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { parseTemplate } from "../expressions/template.ts";
import { branchesOf, templatedFields, templatesIn } from "./check-steps.ts";
import type { Findings } from "./findings.ts";
import type { Route, StepSource } from "./routes.ts";

/** `parameters` are an action's own; a playbook has none. */
const roots: ReadonlySet<string> = new Set([...scopeRoots].filter((root) => root !== "parameters"));
const stepFields = new Set(["output", "status", "error"]);

interface Use {
  readonly path: Path;
  readonly where: string;
}

/** Warns of templates and expressions that will find nothing: unknown roots, steps that do not come before. */
export function checkPaths(steps: readonly StepSource[], routes: readonly Route[], findings: Findings): void {
  const owners = ownersOf(steps);
  const incoming: number[][] = steps.map(() => []);
  for (const { from, to } of routes) if (to !== null) incoming[to]?.push(from);
  for (const step of steps) {
    let earlier: ReadonlySet<number> | undefined;
    for (const use of usesOf(step)) {
      const message = rootMessage(use.path) ?? stepMessage(use.path, owners);
      if (message) {
        findings.warning({ path: use.where, code: "unknown_path", message });
        continue;
      }
      const owner = use.path[0] === "steps" ? owners.get(String(use.path[1])) : undefined;
      if (owner === undefined) continue;
      earlier ??= ancestorsOf(step.index, incoming);
      if (earlier.has(owner)) continue;
      const late = `{{ ${formatPath(use.path)} }} finds nothing here: step ${shown(String(use.path[1]))} never comes before ${shown(step.id ?? "this one")}.`;
      findings.warning({ path: use.where, code: "step_not_earlier", message: late });
    }
  }
}

/** Index of the step that makes each id's output; a branch's is made by its parallel step. */
function ownersOf(steps: readonly StepSource[]): ReadonlyMap<string, number> {
  return new Map(
    steps.flatMap((step) =>
      [step, ...branchesOf(step)].flatMap(({ id }): [string, number][] => (id === undefined ? [] : [[id, step.index]])),
    ),
  );
}

function usesOf(step: StepSource): Use[] {
  const uses: Use[] = [];
  for (const field of templatedFields) {
    const value = step.fields[field];
    if (value === undefined) continue;
    for (const { text, where } of templatesIn(value, childPath(step.path, field))) {
      for (const path of pathsOf(() => parseTemplate(text).parts.filter((part) => typeof part === "object"))) {
        uses.push({ path, where });
      }
    }
  }
  const { type, expression } = step.fields;
  if (type === "condition" && typeof expression === "string") {
    for (const path of pathsOf(() => expressionPaths(parseExpression(expression)))) {
      uses.push({ path, where: `${step.path}.expression` });
    }
  }
  return uses;
}

/** What can't be read is a problem of its own. */
function pathsOf(read: () => readonly Path[]): readonly Path[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) return [];
    throw error;
  }
}

function rootMessage(path: Path): string | undefined {
  const root = String(path[0]);
  if (roots.has(root)) return undefined;
  return `{{ ${formatPath(path)} }} finds nothing unless the run's context has ${shown(root)}; known are ${[...roots].join(", ")}.${nameHint(root, roots)}`;
}

function stepMessage(path: Path, owners: ReadonlyMap<string, number>): string | undefined {
  if (path[0] !== "steps" || path.length < 2) return undefined;
  const id = String(path[1]);
  if (!owners.has(id)) return `There is no step ${shown(id)}.${idHint(path, owners)}`;
  const field = path[2];
  if (field === undefined || stepFields.has(String(field))) return undefined;
  return `A step has output, status and error, not ${shown(String(field))}; write steps.${id}.output.${field}?`;
}

/** An id with dots has to stand in brackets; else the nearest id. */
function idHint(path: Path, owners: ReadonlyMap<string, number>): string {
  const rest = path.slice(1).join(".");
  const dotted = [...owners.keys()].find((id) => id.includes(".") && (rest === id || rest.startsWith(`${id}.`)));
  if (dotted !== undefined) return ` An id with dots is written steps[${JSON.stringify(dotted)}].`;
  return nameHint(String(path[1]), owners.keys());
}

function ancestorsOf(index: number, incoming: readonly (readonly number[])[]): Set<number> {
  const found = new Set(incoming[index]);
  for (const at of found) for (const before of incoming[at] ?? []) found.add(before);
  return found;
}
