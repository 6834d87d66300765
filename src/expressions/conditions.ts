import { type Issue, ValidationFailure } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { compareValues, negate, type Operator, someTruth, type Truth } from "./compare.ts";
import { unknownComparison } from "./expression.ts";
import { formatPath } from "./paths.ts";
import { compilePattern } from "./patterns.ts";
import { lookUp, type Scope } from "./scope.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";
import { isTemplate, parseTemplate, renderTemplate, templateIssues } from "./template.ts";
import { Warnings } from "./warnings.ts";

/** What each op of a rule asks. A Map, so that an op named "constructor" is unknown like any other. */
const OPS: ReadonlyMap<string, { readonly operator: Operator; readonly isNegated: boolean }> = new Map([
  ["eq", { operator: "==", isNegated: false }],
  ["neq", { operator: "!=", isNegated: false }],
  ["gt", { operator: ">", isNegated: false }],
  ["gte", { operator: ">=", isNegated: false }],
  ["lt", { operator: "<", isNegated: false }],
  ["lte", { operator: "<=", isNegated: false }],
  ["in", { operator: "in", isNegated: false }],
  ["not_in", { operator: "in", isNegated: true }],
  ["contains", { operator: "contains", isNegated: false }],
  ["matches", { operator: "matches", isNegated: false }],
]);

/**
 * Every problem of an action's `conditions` `{ operator, rules: [{ field, op, value } or a group] }`, at most `issuesMax`.
 * @param path Where it stands, e.g. `$.conditions`.
 */
export function conditionIssues(value: unknown, path: string, roots?: ReadonlySet<string>): Issue[] {
  const check: Check = { issues: [], roots, rulesLeft: limits.conditionRulesMax };
  checkGroup(value, { path, depth: 0 }, check);
  return check.issues.slice(0, limits.issuesMax);
}

interface Check {
  readonly issues: Issue[];
  readonly roots: ReadonlySet<string> | undefined;
  rulesLeft: number;
}

interface Place {
  readonly path: string;
  readonly depth: number;
}

function checkGroup(value: unknown, { path, depth }: Place, check: Check): void {
  const add = (where: string, code: string, message: string) => check.issues.push({ path: where, code, message });
  if (!isJsonObject(value)) {
    add(path, "wrong_type", "Conditions are an object with operator and rules.");
    return;
  }
  refuseUnknownFields(value, { path, known: ["operator", "rules"] }, check);
  const operator = own(value, "operator");
  if (operator !== "and" && operator !== "or")
    add(`${path}.operator`, "unknown_operator", 'The operator is "and" or "or".');
  const rules = own(value, "rules");
  if (!Array.isArray(rules) || rules.length === 0) {
    add(`${path}.rules`, "wrong_type", "Rules are a list with at least one rule.");
    return;
  }
  for (const [index, rule] of rules.entries()) {
    const where = `${path}.rules[${index}]`;
    check.rulesLeft--;
    if (check.rulesLeft < 0) {
      if (check.rulesLeft === -1) add(where, "too_many_rules", `There are at most ${limits.conditionRulesMax} rules.`);
      return;
    }
    if (!isGroup(rule)) checkRule(rule, where, check);
    else if (depth + 1 < limits.conditionDepthMax) checkGroup(rule, { path: where, depth: depth + 1 }, check);
    else add(where, "too_deep", `Groups of conditions nest at most ${limits.conditionDepthMax} deep.`);
  }
}

function checkRule(rule: unknown, path: string, check: Check): void {
  const add = (where: string, code: string, message: string) => check.issues.push({ path: where, code, message });
  if (!isJsonObject(rule)) {
    add(path, "wrong_type", "A rule is an object with field, op and value, or a group with operator and rules.");
    return;
  }
  refuseUnknownFields(rule, { path, known: ["field", "op", "value"] }, check);
  const field = own(rule, "field");
  if (typeof field !== "string" || !isTemplate(field)) {
    add(`${path}.field`, "wrong_type", 'A field is a template, such as "{{ finding.severity }}".');
  } else check.issues.push(...templateIssues(field, `${path}.field`, check.roots));
  const value = own(rule, "value");
  if (value !== undefined) check.issues.push(...templateIssues(value, `${path}.value`, check.roots));
  const op = own(rule, "op");
  if (typeof op !== "string" || !OPS.has(op)) {
    add(`${path}.op`, "unknown_operator", `The op is one of ${[...OPS.keys()].join(", ")}.`);
    return;
  }
  const problem = value === undefined ? "A rule has a value to compare the field with." : valueProblem(op, value);
  if (problem)
    add(`${path}.value`, op === "matches" && typeof value === "string" ? "pattern_syntax" : "wrong_type", problem);
}

/** What is wrong with a rule's value for its op; undefined where nothing is, or a template decides at run time. */
function valueProblem(op: string, value: Json): string | undefined {
  if (typeof value === "string" && isTemplate(value)) return undefined;
  switch (op) {
    case "gt":
    case "gte":
    case "lt":
    case "lte":
      return typeof value === "number" || typeof value === "string"
        ? undefined
        : `For ${op} the value is a number or a text.`;
    case "in":
    case "not_in":
      return Array.isArray(value) || typeof value === "string" ? undefined : `For ${op} the value is a list or a text.`;
    case "contains":
      return typeof value === "object" && value !== null
        ? "For contains the value is one value, no list or object."
        : undefined;
    case "matches":
      return typeof value === "string" ? patternProblem(value) : "For matches the value is a pattern, as a text.";
    default:
      return undefined;
  }
}

function patternProblem(pattern: string): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) return error.message;
    throw error;
  }
}

function refuseUnknownFields(
  value: JsonObject,
  { path, known }: { path: string; known: string[] },
  check: Check,
): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const message = `"${key.slice(0, 60)}" is not known here; known are ${known.join(", ")}.`;
    check.issues.push({ path, code: "unknown_field", message });
    if (check.issues.length >= limits.issuesMax) return;
  }
}

/**
 * Whether an action's `conditions` hold. Never throws, also for conditions that `conditionIssues` would have refused: what
 * can't be compared is unknown, and unknown at the end is false.
 * @returns The answer, and warnings that hold no values.
 */
export function evaluateConditions(group: unknown, scope: Scope): ConditionsAnswer {
  const evaluation: Evaluation = { scope, warnings: new Warnings(), rulesLeft: limits.conditionRulesMax };
  const truth = groupTruth(group, 0, evaluation);
  if (truth === undefined) evaluation.warnings.add("The conditions' outcome is unknown, which counts as false.");
  return {
    value: truth === true,
    ...(truth === undefined ? { isUnknown: true } : {}),
    warnings: evaluation.warnings.list(),
  };
}

interface ConditionsAnswer {
  readonly value: boolean;
  /** It is false because it could not be found out. */
  readonly isUnknown?: true;
  readonly warnings: string[];
}

interface Evaluation {
  readonly scope: Scope;
  readonly warnings: Warnings;
  rulesLeft: number;
}

function groupTruth(group: unknown, depth: number, evaluation: Evaluation): Truth {
  const rules = isJsonObject(group) ? own(group, "rules") : undefined;
  const operator = isJsonObject(group) ? own(group, "operator") : undefined;
  const isRead = Array.isArray(rules) && rules.length > 0 && (operator === "and" || operator === "or");
  if (!isRead || depth >= limits.conditionDepthMax) {
    evaluation.warnings.add("A group of conditions can't be read.");
    return undefined;
  }
  const ruleTruth = (rule: unknown): Truth =>
    isGroup(rule) ? groupTruth(rule, depth + 1, evaluation) : truthOfRule(rule, evaluation);
  return operator === "or"
    ? someTruth(rules, ruleTruth)
    : negate(someTruth(rules, (rule: unknown) => negate(ruleTruth(rule))));
}

function truthOfRule(rule: unknown, evaluation: Evaluation): Truth {
  const read = readRule(rule);
  evaluation.rulesLeft--;
  if (!read || evaluation.rulesLeft < 0) {
    evaluation.warnings.add("A rule can't be read.");
    return undefined;
  }
  const { field, op, operator, isNegated, value } = read;
  try {
    const left = operandValue(field, evaluation);
    const right = operandValue(value, evaluation);
    const truth = compareValues(left, operator, right);
    if (truth === undefined) evaluation.warnings.add(unknownComparison(`${field.slice(0, 200)} ${op}`, left, right));
    return isNegated ? negate(truth) : truth;
  } catch (error) {
    if (!(error instanceof ExpressionSyntaxError || error instanceof ValidationFailure)) throw error;
    evaluation.warnings.add(`A template of a rule is of no use: ${error.message}`);
    return undefined;
  }
}

function readRule(rule: unknown) {
  if (!isJsonObject(rule)) return undefined;
  const [field, op, value] = [own(rule, "field"), own(rule, "op"), own(rule, "value")];
  const asked = typeof op === "string" ? OPS.get(op) : undefined;
  if (typeof field !== "string" || !asked || value === undefined) return undefined;
  return { field, op, value, ...asked };
}

/** What a field or a value stands for; undefined where it is one template that finds nothing. */
function operandValue(value: Json, { scope, warnings }: Evaluation): unknown {
  const path = typeof value === "string" && isTemplate(value) ? parseTemplate(value).lone : undefined;
  if (path) {
    const found = lookUp(scope, path);
    if (found === undefined) warnings.add(`${formatPath(path)} finds nothing.`);
    return found;
  }
  const rendered = renderTemplate(value, scope);
  for (const warning of rendered.warnings) warnings.add(warning);
  return rendered.value;
}

/** A rule that wrote `operator` for `op` is still a rule, and hears about that. */
function isGroup(rule: unknown): boolean {
  if (!isJsonObject(rule)) return false;
  return Object.hasOwn(rule, "rules") || (Object.hasOwn(rule, "operator") && !Object.hasOwn(rule, "field"));
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
