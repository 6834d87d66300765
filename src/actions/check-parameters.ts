import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { compilePattern } from "../expressions/patterns.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { argumentViolations } from "./check-argument.ts";
import { type ParameterDefinition, type ParameterType, parameterTypeWords } from "./definition.ts";

/** The rules that each type knows. */
const rulesOf: Readonly<Record<ParameterType, readonly string[]>> = {
  string: ["pattern", "min_length", "max_length"],
  integer: ["min", "max"],
  boolean: [],
  enum: ["allowed_values"],
  secret: [],
};
const allRules = new Set(Object.values(rulesOf).flat());

// Templates can't reach them, and an object with such a key is the first half of an attack.
const reservedNames = new Set(["__proto__", "constructor", "prototype"]);

/** What JSON Schema can't say about the parameters. The value may be of any shape: what the schema refused is skipped here. */
export function parameterIssues(parameters: Json | undefined): Issue[] {
  if (!Array.isArray(parameters)) return [];
  const issues: Issue[] = [];
  const firstAt = new Map<string, number>();
  for (const [index, parameter] of (parameters as readonly Json[]).entries()) {
    if (!isJsonObject(parameter)) continue;
    const path = `$.parameters[${index}]`;
    const { name } = parameter;
    if (typeof name === "string") {
      const first = firstAt.get(name);
      const message = `$.parameters[${first}] has the same name.`;
      if (first !== undefined) issues.push({ path: `${path}.name`, code: "duplicate", message });
      else firstAt.set(name, index);
      if (reservedNames.has(name))
        issues.push({ path: `${path}.name`, code: "reserved_name", message: "Choose another name." });
    }
    const type = parameterTypeWords.find((word) => word === parameter["type"]);
    if (type) issues.push(...rulesIssues(parameter, type, path), ...defaultIssues(parameter, type, path));
  }
  return issues;
}

function rulesIssues(parameter: JsonObject, type: ParameterType, path: string): Issue[] {
  const rules = parameter["validation"];
  const where = `${path}.validation`;
  if (rules !== undefined && !isJsonObject(rules)) return [];
  const issues: Issue[] = [];
  const known = rulesOf[type];
  for (const rule of Object.keys(rules ?? {})) {
    if (!allRules.has(rule) || known.includes(rule)) continue;
    const what = known.length > 0 ? `has ${known.join(", ")}` : "has none";
    issues.push({
      path: `${where}.${rule}`,
      code: "wrong_rule",
      message: `${rule} is no rule of type ${type}, which ${what}.`,
    });
  }
  if (type === "enum" && rules?.["allowed_values"] === undefined) {
    issues.push({
      path: `${where}.allowed_values`,
      code: "required",
      message: "An enum needs allowed_values, a list of texts.",
    });
  }
  if (type === "string")
    issues.push(...boundIssues(rules, where, ["min_length", "max_length"]), ...patternIssues(rules, where));
  if (type === "integer") issues.push(...boundIssues(rules, where, ["min", "max"]));
  return issues;
}

function boundIssues(rules: JsonObject | undefined, path: string, [least, most]: readonly [string, string]): Issue[] {
  const [min, max] = [rules?.[least], rules?.[most]];
  if (typeof min !== "number" || typeof max !== "number" || min <= max) return [];
  return [
    { path: `${path}.${least}`, code: "contradiction", message: `${least} is more than ${most}: no value fits.` },
  ];
}

function patternIssues(rules: JsonObject | undefined, path: string): Issue[] {
  const pattern = rules?.["pattern"];
  if (typeof pattern !== "string") return [];
  try {
    compilePattern(pattern);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionSyntaxError)) throw error;
    return [{ path: `${path}.pattern`, code: "pattern_syntax", message: error.message }];
  }
}

function defaultIssues(parameter: JsonObject, type: ParameterType, path: string): Issue[] {
  const value = parameter["default"];
  if (value === undefined || value === null) return [];
  const where = `${path}.default`;
  if (type === "secret") {
    const message = "A secret has no default: put it into the credential store under the parameter's name.";
    return [{ path: where, code: "secret_default", message }];
  }
  const rules = parameter["validation"];
  const typed: Pick<ParameterDefinition, "type" | "validation"> = isJsonObject(rules)
    ? { type, validation: rules }
    : { type };
  return argumentViolations(typed, value).map(({ message }) => ({ path: where, code: "invalid_default", message }));
}
