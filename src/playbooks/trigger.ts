import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { nameHint } from "../core/nearest-name.ts";
import { compilePattern } from "../expressions/patterns.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { checkCron, isTimeZone } from "./cron.ts";
import type { Findings } from "./findings.ts";
import { hasOperators, triggerOperator, triggerOperators } from "./trigger-operators.ts";

const logical = ["$and", "$or", "$not"] as const;

/** The operators of a field: those that compare it, and the opposite of some of them. */
const comparing = [...Object.keys(triggerOperators), "$not"];

/** Checks what the schema can't say of a trigger: operators and what they take, the schedule's cron and time zone. */
export function checkTrigger(trigger: JsonObject, findings: Findings): void {
  const { event, conditions } = trigger;
  if (isJsonObject(conditions)) {
    checkConditions(conditions, "$.trigger.conditions", findings);
    checkSize(conditions, "$.trigger.conditions", findings);
  }
  if (event === "schedule") checkSchedule(trigger, findings);
  else checkNoSchedule(trigger, findings);
  if (event === "manual" && conditions !== undefined) {
    const message = "conditions say for which events a playbook starts, and event: manual is started by none.";
    findings.warning({ path: "$.trigger.conditions", code: "no_effect", message, part: "key" });
  }
}

function checkSchedule({ cron, timezone, conditions }: JsonObject, findings: Findings): void {
  if (isJsonObject(conditions)) checkTickFields(conditions, findings);
  const isZone = typeof timezone === "string" && isTimeZone(timezone);
  if (typeof timezone === "string" && !isZone) {
    const message = `${shown(timezone)} is no time zone; write a name such as "Europe/Berlin" or "UTC".`;
    findings.problem({ path: "$.trigger.timezone", code: "unknown_time_zone", message });
  }
  const message = typeof cron === "string" ? checkCron(cron, isZone ? timezone : "UTC") : undefined;
  if (message) findings.problem({ path: "$.trigger.cron", code: "cron_syntax", message });
}

/** What a schedule's event tells of its tick. */
export const tickFields = ["cron", "timezone", "scheduledAt", "isCatchUp"] as const;

function checkTickFields(conditions: JsonObject, findings: Findings): void {
  for (const { field, path } of fieldsIn(conditions, "$.trigger.conditions")) {
    if (tickFields.some((known) => field === known || field === `schedule.${known}`)) continue;
    const message = `A tick of a schedule has ${tickFields.join(", ")}, and never ${shown(field)}.${nameHint(field, tickFields)}`;
    findings.warning({ path, code: "unknown_path", message, part: "key" });
  }
}

/** The fields that conditions compare, also inside groups. */
function* fieldsIn(conditions: JsonObject, path: string): Generator<{ field: string; path: string }> {
  for (const [key, value] of Object.entries(conditions)) {
    const here = childPath(path, key);
    if (!key.startsWith("$")) yield { field: key, path: here };
    else if (isJsonObject(value)) yield* fieldsIn(value, here);
    else if (Array.isArray(value)) {
      for (const [index, inner] of (value as readonly Json[]).entries()) {
        if (isJsonObject(inner)) yield* fieldsIn(inner, childPath(here, index));
      }
    }
  }
}

function checkNoSchedule(trigger: JsonObject, findings: Findings): void {
  for (const field of ["cron", "timezone"]) {
    if (trigger[field] === undefined) continue;
    const message = `${field} only counts with event: schedule.`;
    findings.warning({ path: `$.trigger.${field}`, code: "no_effect", message, part: "key" });
  }
}

/** Field to literal or operators; `$and`, `$or` and `$not` beside them. */
function checkConditions(conditions: JsonObject, path: string, findings: Findings): void {
  for (const [key, value] of Object.entries(conditions)) {
    const here = childPath(path, key);
    if (key === "$and" || key === "$or") checkGroup(value, here, findings);
    else if (key === "$not") checkOne(value, here, findings);
    else if (key.startsWith("$")) {
      const message = `${shown(key)} can't stand here: fields, $and, $or and $not can.${nameHint(key, logical)}`;
      findings.problem({ path: here, code: "unknown_operator", message, part: "key" });
    } else checkField(value, here, findings);
  }
}

function checkGroup(value: Json, path: string, findings: Findings): void {
  if (!Array.isArray(value) || value.length === 0) {
    findings.problem({ path, code: "wrong_type", message: "This takes a list of conditions." });
    return;
  }
  for (const [index, item] of value.entries()) checkOne(item, childPath(path, index), findings);
}

function checkOne(value: Json, path: string, findings: Findings): void {
  if (isJsonObject(value)) checkConditions(value, path, findings);
  else
    findings.problem({
      path,
      code: "wrong_type",
      message: "This takes conditions: fields with a literal or operators.",
    });
}

function checkField(value: Json, path: string, findings: Findings): void {
  if (!isJsonObject(value)) return;
  if (!hasOperators(value)) {
    const message = "This compares with the whole object; a dotted path such as asset.name compares one field of it.";
    findings.warning({ path, code: "whole_object", message, part: "key" });
    return;
  }
  for (const [key, operand] of Object.entries(value)) {
    checkOperator(key, operand, { path: childPath(path, key), findings });
  }
}

function checkOperator(name: string, operand: Json, { path, findings }: { path: string; findings: Findings }): void {
  const { wanted, accepts } = (name === "$not" ? notOperator : triggerOperator(name)) ?? {};
  if (!accepts) {
    const message = `${shown(name)} is no operator of a field. Known: ${comparing.join(" ")}.${nameHint(name, comparing)}`;
    findings.problem({ path, code: "unknown_operator", message, part: "key" });
  } else if (!accepts(operand)) {
    findings.problem({ path, code: "wrong_type", message: `${name} takes ${wanted}.` });
  } else if (name === "$regex") checkPattern(String(operand), path, findings);
  else if (name === "$not") checkField(operand, path, findings);
}

const notOperator = { wanted: "operators", accepts: isJsonObject };

function checkSize(conditions: JsonObject, path: string, findings: Findings): void {
  const { comparisons, depth } = sizeOf(conditions);
  if (comparisons > limits.conditionRulesMax) {
    const message = `A trigger has at most ${limits.conditionRulesMax} comparisons; this one has ${comparisons}. $in compares with many values at once.`;
    findings.problem({ path, code: "too_many_rules", message, part: "key" });
  } else if (depth > limits.conditionDepthMax) {
    const message = `$and, $or and $not nest at most ${limits.conditionDepthMax} deep.`;
    findings.problem({ path, code: "too_deep", message, part: "key" });
  }
}

interface Size {
  readonly comparisons: number;
  /** Groups inside each other. */
  readonly depth: number;
}

function sizeOf(value: Json): Size {
  if (!isJsonObject(value)) return { comparisons: 1, depth: 0 };
  let [comparisons, depth] = [0, 0];
  for (const [key, inner] of Object.entries(value)) {
    const parts = (key === "$and" || key === "$or") && Array.isArray(inner) ? (inner as readonly Json[]) : [inner];
    const isGroup = key === "$not" || parts[0] !== inner;
    for (const part of parts) {
      const size: Size = isGroup || hasOperators(part) ? sizeOf(part) : { comparisons: 1, depth: 0 };
      comparisons += size.comparisons;
      depth = Math.max(depth, size.depth + (isGroup ? 1 : 0));
    }
  }
  return { comparisons, depth };
}

function checkPattern(value: string, path: string, findings: Findings): void {
  try {
    compilePattern(value);
  } catch (error) {
    if (!(error instanceof ExpressionSyntaxError)) throw error;
    const at = findings.map.within(path, value, error.offset);
    findings.problem({ path, code: "pattern_syntax", message: error.message, at });
  }
}
