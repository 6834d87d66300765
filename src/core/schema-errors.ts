import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { childPath, shown } from "./json-path.ts";
import { nameHint } from "./nearest-name.ts";

/** What one keyword of a JSON Schema has against one value of a document. */
export interface SchemaError {
  /** Of the value, in JSONPath style. */
  readonly path: string;
  readonly value: Json;
  readonly keyword: string;
  /** The keyword's own, such as `missingProperty`. @see https://ajv.js.org/api.html#error-parameters */
  readonly params: Readonly<Record<string, unknown>>;
  /** The schema that the keyword stands in. */
  readonly schema: JsonObject;
  readonly message: string;
}

/**
 * A check of documents against a schema (draft 2020-12) that finds everything at once. The schema is compiled with the first document and
 * not at start, where that would take longer than all else.
 */
export function createSchemaCheck(schema: JsonObject): (document: JsonObject) => readonly SchemaError[] {
  let compiled: ValidateFunction | undefined;
  return (document) => {
    // Our schemas leave the type to the place that is referred to, and have required fields of other places in their conditions.
    const options = { allErrors: true, verbose: true, strictTypes: false, strictRequired: false };
    compiled ??= new Ajv2020(options).compile(schema);
    if (compiled(document)) return [];
    return (compiled.errors ?? []).map((error) => schemaError(error, document));
  };
}

function schemaError(error: ErrorObject, document: JsonObject): SchemaError {
  const { keyword, params, data, parentSchema, instancePath, message = "is not valid" } = error;
  const path = jsonPath(instancePath, document);
  return { path, value: data as Json, keyword, params, schema: (parentSchema ?? {}) as JsonObject, message };
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

/** JSON Schema's types in words. */
export const kinds: Readonly<Record<string, string>> = {
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

/** The message about a field that is not in the schema, with the name that may be meant. */
export function unknownFieldMessage({ params, schema }: SchemaError): string {
  const field = String(params["additionalProperty"]);
  const known = Object.keys((schema["properties"] as JsonObject | undefined) ?? {});
  return `${shown(field)} is not known here.${nameHint(field, known) || ` Known are ${known.join(", ")}.`}`;
}

/** The message about a value that does not fit a pattern: what is expected is the schema's description. */
export function patternMessage({ value, schema }: SchemaError): string {
  const { description } = schema;
  const expected = typeof description === "string" ? description : "another form";
  return `${shown(String(value))} does not fit. Expected: ${expected.replace(/\.$/, "")}.`;
}

/** The message about a value that is too long, too short, too many or the like. */
export function boundMessage({ keyword, params, message }: SchemaError): string {
  const limit = params["limit"];
  switch (keyword) {
    case "minLength":
      return limit === 1 ? "This is empty." : `This has fewer than ${limit} characters.`;
    case "maxLength":
      return `This has more than ${limit} characters.`;
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
      return `This ${message}.`;
  }
}
