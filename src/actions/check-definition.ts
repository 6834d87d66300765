import type { Issue } from "../core/failures.ts";
import { isJsonObject, isStorableText, type Json, type JsonObject } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { kindOf } from "../core/schema-errors.ts";
import type { PackageFile } from "../executors/executor.ts";
import { executorIssues } from "./check-executor.ts";
import { parameterIssues } from "./check-parameters.ts";
import { runtimeIssues } from "./check-templates.ts";
import type { ActionDefinition } from "./definition.ts";
import { definitionWarnings } from "./definition-warnings.ts";
import { outputMappingIssues } from "./map-output.ts";
import { nameIssues } from "./reference.ts";
import { schemaIssues } from "./schema-issues.ts";

export interface CheckedDefinition {
  /** Every problem, at most `limits.issuesMax`; empty for a good definition. */
  readonly issues: Issue[];
  readonly warnings: Issue[];
  /** There when there are no issues: the document that was handed in. */
  readonly definition?: ActionDefinition;
}

/**
 * Checks a definition of any shape with its package: first its bounds, then the JSON Schema, then all that a schema can't say.
 * Never throws for what the document holds.
 */
export function checkDefinition(definition: unknown, files: readonly PackageFile[]): CheckedDefinition {
  if (!isJsonObject(definition)) {
    const message = `A definition is an object, and this is ${kindOf(definition as Json)}.`;
    return { issues: [{ path: "$", code: "wrong_type", message }], warnings: [] };
  }
  const outOfBounds = boundIssues(definition);
  if (outOfBounds.length > 0) return { issues: outOfBounds, warnings: [] };
  const issues = unique([
    ...schemaIssues(definition),
    ...nameIssues(definition["name"]),
    ...parameterIssues(definition["parameters"]),
    ...executorIssues(definition["executor"], files),
    ...runtimeIssues(definition),
    ...outputMappingIssues(definition["output_mapping"]),
  ]);
  if (issues.length > 0) return { issues: issues.slice(0, limits.issuesMax), warnings: [] };
  const checked = definition as unknown as ActionDefinition;
  return { issues: [], warnings: definitionWarnings(checked, files).slice(0, limits.issuesMax), definition: checked };
}

/** What would make the checks themselves slow, or could not be stored. Keeps its own stack: the document may be of any depth. */
function boundIssues(definition: JsonObject): Issue[] {
  const issues: Issue[] = [];
  const waiting: { value: Json; path: string; depth: number }[] = [{ value: definition, path: "$", depth: 0 }];
  let valuesLeft = limits.documentValuesMax;
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { value, path, depth } = next;
    valuesLeft--;
    if (depth > limits.documentDepthMax || valuesLeft < 0) return [tooLarge];
    if (typeof value === "string" && !isStorableText(value)) issues.push(unstorable(path));
    if (typeof value !== "object" || value === null) continue;
    for (const [key, inner] of Object.entries(value) as [string, Json][]) {
      const where = childPath(path, Array.isArray(value) ? Number(key) : key);
      if (!isStorableText(key)) issues.push(unstorable(where));
      waiting.push({ value: inner, path: where, depth: depth + 1 });
    }
    if (issues.length > limits.issuesMax) break;
  }
  if (Buffer.byteLength(JSON.stringify(definition)) > limits.definitionBytesMax) return [tooLarge];
  return issues;
}

const tooLarge: Issue = {
  path: "$",
  code: "too_large",
  message: `A definition has at most ${limits.definitionBytesMax} bytes, ${limits.documentValuesMax} values and ${limits.documentDepthMax} levels.`,
};

function unstorable(path: string): Issue {
  return {
    path,
    code: "invalid_text",
    message: "This text holds U+0000 or half of a surrogate pair, which can't be stored.",
  };
}

/** Two checks may say the same of one place. */
function unique(issues: readonly Issue[]): Issue[] {
  return [...new Map(issues.map((issue) => [`${issue.path}\n${issue.message}`, issue])).values()];
}
