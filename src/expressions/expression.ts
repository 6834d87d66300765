import { limits } from "../core/limits.ts";
import { BoundedCache } from "./bounded-cache.ts";
import { compareValues, negate, someTruth, type Truth } from "./compare.ts";
import { type Expression, type Operand, parseTokens } from "./expression-parser.ts";
import { formatPath, type Path } from "./paths.ts";
import { lookUp, type Scope } from "./scope.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";
import { tokensOf } from "./tokens.ts";
import { Warnings } from "./warnings.ts";

const parsed = new BoundedCache<Expression>(limits.parsedTextsKeptMax);

/**
 * Reads the expression of a condition step, e.g. `{{ finding.cvss }} >= 9 and 'production' in {{ asset.tags }}`.
 * @throws ExpressionSyntaxError also for a text longer than `expressionLengthMax`.
 */
export function parseExpression(text: string): Expression {
  return parsed.get(text, (fresh) => {
    if (fresh.length > limits.expressionLengthMax) {
      throw new ExpressionSyntaxError(
        `An expression is at most ${limits.expressionLengthMax} characters long.`,
        limits.expressionLengthMax,
      );
    }
    return parseTokens(tokensOf(fresh));
  });
}

/**
 * Whether the expression is true of the scope. Never throws. What can't be compared is unknown, and unknown at the end is false.
 * @returns The answer, and a warning for each path that found nothing and each comparison that stayed unknown; they hold no values.
 */
export function evaluateExpression(expression: Expression, scope: Scope): { value: boolean; warnings: string[] } {
  const evaluation = { scope, warnings: new Warnings() };
  const truth = truthOf(expression, evaluation);
  if (truth === undefined) evaluation.warnings.add("The expression's outcome is unknown, which counts as false.");
  return { value: truth === true, warnings: evaluation.warnings.list() };
}

interface Evaluation {
  readonly scope: Scope;
  readonly warnings: Warnings;
}

function truthOf(expression: Expression, evaluation: Evaluation): Truth {
  switch (expression.kind) {
    case "all":
      return negate(someTruth(expression.parts, (part) => negate(truthOf(part, evaluation))));
    case "any":
      return someTruth(expression.parts, (part) => truthOf(part, evaluation));
    case "not":
      return negate(truthOf(expression.inner, evaluation));
    case "operand": {
      const value = operandValue(expression.operand, evaluation);
      if (typeof value === "boolean") return value;
      evaluation.warnings.add(`${describe(expression.operand)} is neither true nor false, but ${kindOf(value)}.`);
      return undefined;
    }
    case "comparison":
      return comparisonTruth(expression, evaluation);
    default:
      return expression satisfies never;
  }
}

function comparisonTruth(comparison: Expression & { kind: "comparison" }, evaluation: Evaluation): Truth {
  const { left, operator, right, isNegated } = comparison;
  const leftValue = operandValue(left, evaluation);
  const rightValue = operandValue(right, evaluation);
  const truth = compareValues(leftValue, operator, rightValue);
  if (truth === undefined) {
    const sides = `${describe(left)} ${operator} ${describe(right)}`;
    evaluation.warnings.add(unknownComparison(sides, leftValue, rightValue));
  }
  return isNegated ? negate(truth) : truth;
}

/** The warning of a comparison that stayed unknown: names kinds, never values. */
export function unknownComparison(sides: string, left: unknown, right: unknown): string {
  return `${sides} is unknown: it compares ${kindOf(left)} with ${kindOf(right)}.`;
}

function operandValue(operand: Operand, evaluation: Evaluation): unknown {
  switch (operand.kind) {
    case "literal":
      return operand.value;
    case "list":
      return operand.items.map((item) => operandValue(item, evaluation));
    case "path": {
      const found = lookUp(evaluation.scope, operand.path);
      if (found === undefined) evaluation.warnings.add(`${formatPath(operand.path)} finds nothing.`);
      return found;
    }
    default:
      return operand satisfies never;
  }
}

function describe(operand: Operand): string {
  if (operand.kind === "path") return `{{ ${formatPath(operand.path)} }}`;
  return kindOf(operand.kind === "list" ? [] : operand.value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "string" ? "a text" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Every path the expression reads, in the order of its text. */
export function expressionPaths(expression: Expression): Path[] {
  switch (expression.kind) {
    case "all":
    case "any":
      return expression.parts.flatMap(expressionPaths);
    case "not":
      return expressionPaths(expression.inner);
    case "operand":
      return operandPaths(expression.operand);
    case "comparison":
      return [...operandPaths(expression.left), ...operandPaths(expression.right)];
    default:
      return expression satisfies never;
  }
}

function operandPaths(operand: Operand): Path[] {
  if (operand.kind === "path") return [operand.path];
  return operand.kind === "list" ? operand.items.flatMap(operandPaths) : [];
}
