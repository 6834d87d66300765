import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { expressionPaths, parseExpression } from "../expressions/expression.ts";
import { formatPath, type Path } from "../expressions/paths.ts";
import { scopeRoots } from "../expressions/scope.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { parseTemplate } from "../expressions/template.ts";
import { templatedFields, templatesIn } from "./check-steps.ts";
import type { Findings } from "./findings.ts";
import type { Route } from "./routes.ts";
import { branchesOf, type StepSource, withBranches } from "./step-source.ts";

/** `parameters` are an action's own; a playbook has none. */
const roots: ReadonlySet<string> = new Set([...scopeRoots].filter((root) => root !== "parameters"));
const stepFields = new Set(["output", "status", "error"]);

/** What the output of a step holds, by its type; an action's may hold anything. */
const outputFields: Readonly<Record<string, readonly string[]>> = {
  condition: ["result"],
  parallel: ["branches"],
  approval: ["decision", "decidedBy", "comment"],
  live_action: ["requestId", "status", "summary", "details", "vendorId"],
};

interface Use {
  readonly path: Path;
  readonly where: string;
}

type Owners = ReadonlyMap<string, StepSource>;

/** Warns of templates and expressions that will find nothing: unknown roots, steps that do not come before. */
export function checkPaths(steps: readonly StepSource[], routes: readonly Route[], findings: Findings): void {
  const owners: Owners = new Map(
    withBranches(steps).flatMap((step) => (step.id === undefined ? [] : [[step.id, step]])),
  );
  const incoming: number[][] = steps.map(() => []);
  for (const { from, to } of routes) if (to !== null) incoming[to]?.push(from);
  for (const step of steps) {
    let earlier: ReadonlySet<number> | undefined;
    for (const user of [step, ...branchesOf(step)]) {
      for (const use of usesOf(user)) {
        const message = rootMessage(use.path) ?? stepMessage(use.path, owners);
        if (message) {
          findings.warning({ path: use.where, code: "unknown_path", message });
          continue;
        }
        const owner = use.path[0] === "steps" ? owners.get(String(use.path[1])) : undefined;
        if (owner === undefined) continue;
        earlier ??= ancestorsOf(step.index, incoming);
        // What a branch leaves is there once its parallel step has ended.
        if (earlier.has((owner.parallel ?? owner).index)) continue;
        findings.warning({ path: use.where, code: "step_not_earlier", message: lateMessage(use.path, owner, user) });
      }
    }
  }
}

function lateMessage(path: Path, owner: StepSource, user: StepSource): string {
  const wanted = shown(String(path[1]));
  const isSibling = owner.id !== user.id && owner.parallel !== undefined && owner.parallel === user.parallel;
  const why = isSibling
    ? `${wanted} is another branch of the same parallel step, and they run at the same time.`
    : `step ${wanted} never comes before ${shown(user.id ?? "this one")}.`;
  return `{{ ${formatPath(path)} }} finds nothing here: ${why}`;
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
  const { expression } = step.fields;
  if (step.type === "condition" && typeof expression === "string") {
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

function stepMessage(path: Path, owners: Owners): string | undefined {
  if (path[0] !== "steps" || path.length < 2) return undefined;
  const id = String(path[1]);
  const owner = owners.get(id);
  if (!owner) return `There is no step ${shown(id)}.${idHint(path, owners)}`;
  const field = path[2];
  if (field === "output") return outputMessage(path, owner);
  if (field === undefined || stepFields.has(String(field))) return undefined;
  return `A step has output, status and error, not ${shown(String(field))}; write steps.${id}.output.${field}?`;
}

function outputMessage(path: Path, { type }: StepSource): string | undefined {
  if (type === "delay") return "A delay has no output.";
  const known = Object.hasOwn(outputFields, type) ? outputFields[type] : undefined;
  const field = path[3];
  if (!known || field === undefined || known.includes(String(field))) return undefined;
  const a = type === "approval" ? "an" : "a";
  return `The output of ${a} ${type.replace("_", " ")} step has ${known.join(", ")}, not ${shown(String(field))}.${nameHint(String(field), known)}`;
}

/** An id with dots has to stand in brackets; else the nearest id. */
function idHint(path: Path, owners: Owners): string {
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
