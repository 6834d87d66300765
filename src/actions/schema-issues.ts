import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { nameHint } from "../core/nearest-name.ts";
import { actionDefinitionSchema } from "./definition-schema.ts";
import { childPath, shown } from "./json-path.ts";

let compiled: ValidateFunction | undefined;

/** Compiled at the first definition, not at start, where it would cost more than all else. */
function validator(): ValidateFunction {
  compiled ??= new Ajv2020({ allErrors: true, verbose: true, strictTypes: false }).compile(actionDefinitionSchema);
  return compiled;
}

/** What JSON Schema finds wrong with a definition: all of it, one issue for each place. Conditions have a check of their own. */
export function schemaIssues(definition: JsonObject): Issue[] {
  const validate = validator();
  if (validate(definition)) return [];
  const issues = new Map<string, Issue>();
  for (const error of validate.errors ?? []) {
    if (error.instancePath === "/conditions" || error.instancePath.startsWith("/conditions/")) continue;
    const issue = issueOf(error, jsonPath(error.instancePath, definition));
    // Several keywords may complain of one value; the first says enough.
    if (!issues.has(issue.path)) issues.set(issue.path, issue);
  }
  return [...issues.values()];
}

function issueOf(error: ErrorObject, path: string): Issue {
  const { keyword, params, parentSchema } = error;
  const value = error.data as Json;
  switch (keyword) {
    case "required": {
      const field = String(params["missingProperty"]);
      return { path: childPath(path, field), code: "required", message: `${field} is missing.` };
    }
    case "additionalProperties": {
      const field = String(params["additionalProperty"]);
      const known = Object.keys((parentSchema?.["properties"] as object | undefined) ?? {});
      const message = `${shown(field)} is not known here.${nameHint(field, known) || ` Known are ${known.join(", ")}.`}`;
      return { path: childPath(path, field), code: "unknown_field", message };
    }
    case "type":
      return {
        path,
        code: "wrong_type",
        message: `This is to be ${kinds[String(params["type"])]}, and is ${kindOf(value)}.`,
      };
    case "enum":
      return { path, code: "not_allowed", message: enumMessage(params["allowedValues"] as readonly string[], value) };
    case "pattern":
      return {
        path,
        code: "wrong_format",
        message: `${shown(String(value))} does not fit. Expected: ${descriptionOf(error)}`,
      };
    default:
      return { path, code: "out_of_bounds", message: boundMessage(error) };
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: "a text",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
};

/** The kind of a value, for a message that must not quote it. */
export function kindOf(value: Json | undefined): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "number") return Number.isInteger(value) ? "a whole number" : "a number with a fraction";
  return typeof value === "string" ? "a text" : "true or false";
}

function enumMessage(allowed: readonly string[], value: Json): string {
  const found = typeof value === "string" ? shown(value) : `This is ${kindOf(value)} and`;
  const hint = typeof value === "string" ? nameHint(value, allowed) : "";
  return `${found} is none of ${allowed.join(", ")}.${hint}`;
}

function descriptionOf({ parentSchema }: ErrorObject): string {
  const description = (parentSchema as { description?: string } | undefined)?.description;
  return description ?? "another form.";
}

function boundMessage({ keyword, params, message }: ErrorObject): string {
  const limit = params["limit"];
  switch (keyword) {
    case "minLength":
      return limit === 1 ? "This is empty." : `This has fewer than ${limit} characters.`;
    case "maxLength":
      return `This has more than ${limit} characters.`;
    case "minItems":
      return `This list needs at least ${limit}.`;
    case "maxItems":
    case "maxProperties":
      return `This holds more than ${limit}.`;
    case "minimum":
      return `This is less than ${limit}.`;
    case "maximum":
      return `This is more than ${limit}.`;
    case "uniqueItems":
      return `Items ${params["j"]} and ${params["i"]} are the same.`;
    default:
      return `This ${message ?? "is not valid"}.`;
  }
}

/** A JSON pointer as JSONPath; the document tells keys of objects from indexes of lists. */
function jsonPath(pointer: string, document: JsonObject): string {
  let path = "$";
  let value: Json | undefined = document;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) {
      path = childPath(path, Number(key));
      value = (value as readonly Json[])[Number(key)];
    } else {
      path = childPath(path, key);
      value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
  }
  return path;
}
