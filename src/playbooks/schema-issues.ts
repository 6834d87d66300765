import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { childPath, shown } from "../actions/json-path.ts";
import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { nameHint } from "../core/nearest-name.ts";
import { playbookDocumentSchema } from "./document-schema.ts";
import type { Part, SourceMap } from "./source-map.ts";

let compiled: ValidateFunction | undefined;

/** Made at the first document, not at start: compiling the schema takes longer than everything else that a start does. */
function validator(): ValidateFunction {
  compiled ??= new Ajv2020({ allErrors: true, verbose: true, strictTypes: false, strictRequired: false }).compile(
    playbookDocumentSchema,
  );
  return compiled;
}

/** What JSON Schema finds wrong with a playbook's document: all of it, each with its place. */
export function schemaIssues(document: JsonObject, map: SourceMap): Issue[] {
  const validate = validator();
  if (validate(document)) return [];
  const issues = new Map<string, Issue>();
  for (const error of validate.errors ?? []) {
    const issue = issueOf(error, document, map);
    // Several keywords may complain of one value; the first says enough.
    if (issue && !issues.has(issue.path)) issues.set(issue.path, issue);
  }
  return [...issues.values()];
}

interface Finding {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
  readonly part?: Part;
}

function issueOf(error: ErrorObject, document: JsonObject, map: SourceMap): Issue | undefined {
  const here = jsonPath(error.instancePath, document);
  const found = findingOf(error, here, map);
  if (!found) return undefined;
  const path = found.path ?? here;
  return { path, code: found.code, message: found.message, ...map.at(path, found.part) };
}

function findingOf(error: ErrorObject, path: string, map: SourceMap): Finding | undefined {
  const { keyword, params, parentSchema } = error;
  const value = error.data as Json;
  switch (keyword) {
    case "if":
    case "allOf":
      return undefined;
    case "required": {
      const field = String(params["missingProperty"]);
      return { code: "required", message: `${field} is missing.`, path: childPath(path, field) };
    }
    case "additionalProperties": {
      const field = String(params["additionalProperty"]);
      const known = Object.keys((parentSchema?.["properties"] as object | undefined) ?? {});
      const message = `${shown(field)} is not known here.${nameHint(field, known)}`;
      return { code: "unknown_field", message, path: childPath(path, field), part: "key" };
    }
    case "type":
      return { code: "wrong_type", message: typeMessage(String(params["type"]), value, map.plain(path)) };
    case "enum":
      return {
        code: "not_allowed",
        message: enumMessage(params["allowedValues"] as readonly string[], value, map.plain(path)),
      };
    case "not":
      return { code: "reserved_word", message: `${shown(String(value))} is a word of its own and can't be an id.` };
    case "pattern":
      return { code: "wrong_format", message: patternMessage(value, parentSchema) };
    default:
      return { code: "out_of_bounds", message: boundMessage(error) };
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: "a text",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
};

function typeMessage(type: string, value: Json, plain: string | undefined): string {
  const wanted = kinds[type] ?? type;
  if (type === "string" && plain !== undefined) {
    return `${plain} without quotes is ${describe(value)}; this is to be a text: put it in quotes, ${JSON.stringify(plain)}.`;
  }
  if (type === "boolean" && typeof value === "string" && /^(y|n|yes|no|on|off)$/i.test(value)) {
    return `${shown(value)} is text in YAML 1.2; write ${/^(y|yes|on)$/i.test(value) ? "true" : "false"}.`;
  }
  return `This is to be ${wanted}, and is ${describe(value)}.`;
}

function enumMessage(allowed: readonly string[], value: Json, plain: string | undefined): string {
  const hint = typeof value === "string" ? nameHint(value, allowed) : "";
  const found = typeof value === "string" ? shown(value) : (plain ?? describe(value));
  return `${found} is none of ${allowed.join(", ")}.${hint}`;
}

function patternMessage(value: Json, schema: object | undefined): string {
  const { description } = (schema ?? {}) as { description?: string };
  return `${shown(String(value))} does not fit. Expected: ${description ?? "another form"}.`;
}

function boundMessage({ keyword, params, message }: ErrorObject): string {
  const limit = params["limit"];
  switch (keyword) {
    case "minLength":
      return "This is empty.";
    case "maxLength":
      return `This is longer than ${limit} characters.`;
    case "minItems":
    case "minProperties":
      return `This needs at least ${limit}.`;
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

function describe(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "string"
    ? `the text ${shown(value)}`
    : typeof value === "number"
      ? `the number ${value}`
      : String(value);
}

/** A JSON pointer as JSONPath. */
function jsonPath(pointer: string, document: JsonObject): string {
  let path = "$";
  let value: Json | undefined = document;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const isList = Array.isArray(value);
    path = childPath(path, isList ? Number(key) : key);
    value = isList ? (value as readonly Json[])[Number(key)] : isJsonObject(value) ? value[key] : undefined;
  }
  return path;
}
