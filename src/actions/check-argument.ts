import { isJsonObject, type Json } from "../core/json.ts";
import { kindOf } from "../core/schema-errors.ts";
import { compilePattern, matchesPattern } from "../expressions/patterns.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import type { ParameterDefinition, ParameterValidation } from "./definition.ts";

/** A rule that a value breaks. The message never quotes the value. */
export interface Violation {
  readonly code: string;
  readonly message: string;
}

/** Every rule of a parameter that a value breaks, without any coercion. */
export function argumentViolations(
  { type, validation }: Pick<ParameterDefinition, "type" | "validation">,
  value: Json,
): Violation[] {
  // A definition that is being checked may hold anything here.
  const rules: ParameterValidation = isJsonObject(validation) ? validation : {};
  switch (type) {
    case "string":
      return typeof value === "string" ? stringViolations(rules, value) : [wrongType("a text", value)];
    case "secret":
      return typeof value === "string" ? [] : [wrongType("a text", value)];
    case "integer":
      return Number.isSafeInteger(value) ? integerViolations(rules, value as number) : [integerProblem(value)];
    case "boolean":
      return typeof value === "boolean" ? [] : [wrongType("true or false", value)];
    case "enum":
      return typeof value === "string" ? enumViolations(rules, value) : [wrongType("one of the allowed texts", value)];
    default:
      return type satisfies never;
  }
}

function wrongType(wanted: string, value: Json): Violation {
  return { code: "wrong_type", message: `This is to be ${wanted}, and is ${kindOf(value)}.` };
}

function integerProblem(value: Json): Violation {
  if (typeof value !== "number" || !Number.isInteger(value)) return wrongType("a whole number", value);
  return { code: "out_of_bounds", message: "This number is too large to be exact; whole numbers go up to 2^53 - 1." };
}

function stringViolations(
  { pattern, min_length: least, max_length: most }: ParameterValidation,
  value: string,
): Violation[] {
  const violations: Violation[] = [];
  if (least !== undefined || most !== undefined) {
    const length = codePointCount(value);
    if (least !== undefined && length < least) {
      violations.push({ code: "too_short", message: `This has ${length} characters; at least ${least} are needed.` });
    }
    if (most !== undefined && length > most) {
      violations.push({ code: "too_long", message: `This has ${length} characters; at most ${most} are allowed.` });
    }
  }
  if (pattern !== undefined) violations.push(...patternViolations(pattern, value));
  return violations;
}

function patternViolations(pattern: string, value: string): Violation[] {
  try {
    const isMatch = matchesPattern(compilePattern(pattern), value);
    if (isMatch) return [];
    const message =
      isMatch === undefined
        ? `This is too long to be matched with the pattern ${pattern}.`
        : `This does not match the pattern ${pattern}.`;
    return [{ code: "pattern_mismatch", message }];
  } catch (error) {
    // Reported where the pattern stands.
    if (error instanceof ExpressionSyntaxError) return [];
    throw error;
  }
}

function integerViolations({ min, max }: ParameterValidation, value: number): Violation[] {
  if (min !== undefined && value < min) return [{ code: "out_of_bounds", message: `This is less than ${min}.` }];
  if (max !== undefined && value > max) return [{ code: "out_of_bounds", message: `This is more than ${max}.` }];
  return [];
}

function enumViolations({ allowed_values: allowed }: ParameterValidation, value: string): Violation[] {
  if (!Array.isArray(allowed) || allowed.includes(value)) return [];
  return [{ code: "not_allowed", message: `This is none of ${listed(allowed)}.` }];
}

function listed(values: readonly string[]): string {
  const more = values.length > 20 ? ` and ${values.length - 20} more` : "";
  return values.slice(0, 20).join(", ") + more;
}

function codePointCount(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
