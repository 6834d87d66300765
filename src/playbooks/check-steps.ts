import type { Json } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { parseDuration } from "../expressions/durations.ts";
import { parseExpression } from "../expressions/expression.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { isTemplate, parseTemplate } from "../expressions/template.ts";
import { checkLiveAction } from "./check-live-action.ts";
import { checkNoEffect } from "./check-no-effect.ts";
import type { Findings } from "./findings.ts";
import { type StepSource, withBranches } from "./step-source.ts";

/** The fields of a step whose texts may hold templates. */
export const templatedFields = ["parameters", "params", "target", "message"] as const;

/** Checks what the schema can't say of each step by itself, and of each branch. */
export function checkSteps(steps: readonly StepSource[], findings: Findings): void {
  const all = withBranches(steps);
  checkIds(all, findings);
  for (const step of all) {
    for (const field of ["retry_delay", "timeout", "duration"]) checkDuration(step, field, findings);
    checkExpression(step, findings);
    for (const field of templatedFields) {
      const value = step.fields[field];
      if (value !== undefined) checkTemplates(value, childPath(step.path, field), findings);
    }
    if (step.type === "live_action") checkLiveAction(step, findings);
    checkNoEffect(step, findings);
  }
}

function checkIds(steps: readonly StepSource[], findings: Findings): void {
  const known = new Map<string, string>();
  for (const { id, path } of steps) {
    if (id === undefined) continue;
    const first = known.get(id);
    if (first === undefined) known.set(id, path);
    else {
      const { line } = findings.map.at(`${first}.id`);
      const message = `${shown(id)} is the id of another step too (line ${line}); ids are unique over the whole playbook.`;
      findings.problem({ path: `${path}.id`, code: "duplicate_id", message });
    }
  }
}

function checkDuration({ path, fields }: StepSource, field: string, findings: Findings): void {
  const value = fields[field];
  const here = `${path}.${field}`;
  if (typeof value !== "string" || findings.hasProblem(here)) return;
  try {
    if (parseDuration(value) === 0 && field === "timeout") {
      findings.problem({ path: here, code: "out_of_bounds", message: "A timeout is longer than nothing." });
    }
  } catch (error) {
    if (!(error instanceof ExpressionSyntaxError)) throw error;
    const at = findings.map.within(here, value, error.offset);
    findings.problem({ path: here, code: "duration_syntax", message: error.message, at });
  }
}

function checkExpression({ path, type, fields }: StepSource, findings: Findings): void {
  const { expression } = fields;
  const here = `${path}.expression`;
  if (type !== "condition" || typeof expression !== "string" || findings.hasProblem(here)) return;
  try {
    parseExpression(expression);
  } catch (error) {
    if (!(error instanceof ExpressionSyntaxError)) throw error;
    const at = findings.map.within(here, expression, error.offset);
    const message = `${error.message} (character ${error.offset + 1} of the expression)`;
    findings.problem({ path: here, code: "expression_syntax", message, at });
  }
}

function checkTemplates(value: Json, path: string, findings: Findings): void {
  for (const { text, where } of templatesIn(value, path)) {
    try {
      parseTemplate(text);
    } catch (error) {
      if (!(error instanceof ExpressionSyntaxError)) throw error;
      const at = findings.map.within(where, text, error.offset);
      const message = `${error.message} (character ${error.offset + 1} of the text)`;
      findings.problem({ path: where, code: "template_syntax", message, at });
    }
  }
}

/** The texts with templates in a value, each with its path. The value is at most `documentDepthMax` deep. */
export function* templatesIn(value: Json, path: string): Generator<{ text: string; where: string }> {
  if (typeof value === "string") {
    if (isTemplate(value)) yield { text: value, where: path };
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* templatesIn(item, childPath(path, index));
  } else if (isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) yield* templatesIn(item, childPath(path, key));
  }
}
