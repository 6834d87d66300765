import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { compilePattern } from "../expressions/patterns.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import type { Findings } from "./findings.ts";

const logical = ["$and", "$or", "$not"] as const;

interface Operand {
  readonly wanted: string;
  readonly accepts: (value: Json) => boolean;
}
const anything: Operand = { wanted: "any value", accepts: () => true };
const list: Operand = { wanted: "a list", accepts: (value) => Array.isArray(value) };
const ordered: Operand = {
  wanted: "a number or a text",
  accepts: (value) => typeof value === "number" || typeof value === "string",
};

/** The operators of a field, and what each takes. */
const operands: Readonly<Record<string, Operand>> = {
  $eq: anything,
  $ne: anything,
  $contains: anything,
  $gt: ordered,
  $gte: ordered,
  $lt: ordered,
  $lte: ordered,
  $in: list,
  $nin: list,
  $exists: { wanted: "true or false", accepts: (value) => typeof value === "boolean" },
  $regex: { wanted: "a pattern as text", accepts: (value) => typeof value === "string" },
  $not: { wanted: "operators", accepts: isJsonObject },
};
const comparing = Object.keys(operands);

/** Checks what the schema can't say of a trigger: operators and what they take, the schedule's cron and time zone. */
export function checkTrigger(trigger: JsonObject, findings: Findings): void {
  const { event, conditions } = trigger;
  if (isJsonObject(conditions)) checkConditions(conditions, "$.trigger.conditions", findings);
  if (event === "schedule") checkSchedule(trigger, findings);
  else checkNoSchedule(trigger, findings);
}

function checkSchedule({ cron, timezone }: JsonObject, findings: Findings): void {
  if (typeof cron === "string" && !/^\S+( +\S+){4}$/.test(cron.trim())) {
    const message = `${shown(cron)} is no cron expression: minute, hour, day, month and weekday, such as "0 8 * * 1".`;
    findings.problem({ path: "$.trigger.cron", code: "cron_syntax", message });
  }
  if (typeof timezone === "string" && !isTimeZone(timezone)) {
    const message = `${shown(timezone)} is no time zone; write a name such as "Europe/Berlin" or "UTC".`;
    findings.problem({ path: "$.trigger.timezone", code: "unknown_time_zone", message });
  }
}

function checkNoSchedule(trigger: JsonObject, findings: Findings): void {
  for (const field of ["cron", "timezone"]) {
    if (trigger[field] === undefined) continue;
    const message = `${field} only counts with event: schedule.`;
    findings.warning({ path: `$.trigger.${field}`, code: "no_effect", message, part: "key" });
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
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
  const keys = Object.keys(value);
  if (!keys.some((key) => key.startsWith("$"))) {
    const message = "This compares with the whole object; a dotted path such as asset.name compares one field of it.";
    findings.warning({ path, code: "whole_object", message, part: "key" });
    return;
  }
  for (const key of keys) checkOperator(key, value[key] ?? null, { path: childPath(path, key), findings });
}

function checkOperator(operator: string, value: Json, { path, findings }: { path: string; findings: Findings }): void {
  const operand = Object.hasOwn(operands, operator) ? operands[operator] : undefined;
  if (!operand) {
    const message = `${shown(operator)} is no operator of a field. Known: ${comparing.join(" ")}.${nameHint(operator, comparing)}`;
    findings.problem({ path, code: "unknown_operator", message, part: "key" });
  } else if (!operand.accepts(value)) {
    findings.problem({ path, code: "wrong_type", message: `${operator} takes ${operand.wanted}.` });
  } else if (operator === "$regex") checkPattern(String(value), path, findings);
  else if (operator === "$not") checkField(value, path, findings);
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
