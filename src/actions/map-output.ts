import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import type { Path } from "../expressions/paths.ts";
import { lookUp } from "../expressions/scope.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { parseTemplate } from "../expressions/template.ts";
import type { ActionDefinition } from "./definition.ts";

/**
 * The output of a step: the executor's result with the mapped variables laid over it. A path that finds nothing gives null. A
 * result that is no object stands under `result` beside the variables; without `output_mapping` the result is the output as it is.
 */
export function mapOutput({ output_mapping: mapping }: Pick<ActionDefinition, "output_mapping">, result: Json): Json {
  const variables = Object.entries(mapping ?? {});
  if (variables.length === 0) return result;
  const mapped = variables.map(([name, text]): [string, Json] => {
    const path = readOutputPath(text);
    return [name, ((path && lookUp({ result }, path)) ?? null) as Json];
  });
  // fromEntries defines properties, so that a key "__proto__" stays a key.
  return Object.fromEntries([
    ...(isJsonObject(result) ? Object.entries(result) : [["result", result] as const]),
    ...mapped,
  ]);
}

/** Problems of an `output_mapping` of any shape. */
export function outputMappingIssues(mapping: Json | undefined): Issue[] {
  if (!isJsonObject(mapping)) return [];
  return Object.entries(mapping).flatMap(([name, text]) => {
    const path = childPath("$.output_mapping", name);
    if (name === "__proto__" || name === "constructor" || name === "prototype" || name === "") {
      return [{ path, code: "reserved_name", message: "A variable can't have this name: no template could read it." }];
    }
    if (typeof text !== "string") return [];
    const problem = outputPathProblem(text);
    return problem ? [{ path, code: "output_path", message: problem }] : [];
  });
}

function outputPathProblem(text: string): string | undefined {
  if (/[{}]/.test(text)) return "Write the path without braces, such as result.data.rule_id.";
  try {
    const path = parseTemplate(`{{ ${text} }}`).lone;
    return path?.[0] === "result" ? undefined : "The path begins with result, as in result.data.rule_id.";
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) return error.message;
    throw error;
  }
}

function readOutputPath(text: string): Path | undefined {
  return outputPathProblem(text) === undefined ? parseTemplate(`{{ ${text} }}`).lone : undefined;
}
