import type { Issue } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { nameHint } from "../core/nearest-name.ts";
import {
  boundMessage,
  createSchemaCheck,
  kindOf,
  kinds,
  patternMessage,
  type SchemaError,
  unknownFieldMessage,
} from "../core/schema-errors.ts";
import { playbookDocumentSchema } from "./document-schema.ts";
import { misplacedField, misplacedWord } from "./misplaced-field.ts";
import type { Part, SourceMap } from "./source-map.ts";

const check = createSchemaCheck(playbookDocumentSchema);

/** What JSON Schema finds wrong with a playbook's document: all of it, each with its place. */
export function schemaIssues(document: JsonObject, map: SourceMap): Issue[] {
  const issues = new Map<string, Issue>();
  for (const error of check(document)) {
    // Of ten thousand unknown fields nobody reads on, and each takes a look at all known ones.
    if (issues.size >= 5 * limits.issuesMax) break;
    const found = findingOf(error, map);
    const path = found?.path ?? error.path;
    // Several keywords may complain of one value; the first says enough.
    if (!found || issues.has(path)) continue;
    issues.set(path, { path, code: found.code, message: found.message, ...map.at(path, found.part) });
  }
  return [...issues.values()];
}

interface Finding {
  readonly code: string;
  readonly message: string;
  /** Where it is not the value's own. */
  readonly path?: string;
  readonly part?: Part;
}

function findingOf(error: SchemaError, map: SourceMap): Finding | undefined {
  const { path, value, keyword, params } = error;
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
      const misplaced = misplacedField(path, field, value);
      const { code, message } = misplaced ?? { code: "unknown_field", message: unknownFieldMessage(error) };
      return { code, message, path: childPath(path, field), part: "key" };
    }
    case "type":
      return { code: "wrong_type", message: typeMessage(String(params["type"]), value, map.plain(path)) };
    case "enum": {
      const allowed = params["allowedValues"] as readonly string[];
      const message = enumMessage(allowed, value, map.plain(path));
      return misplacedWord(path, value, allowed) ?? { code: "not_allowed", message };
    }
    case "minProperties":
    case "maxProperties": {
      const { description } = error.schema;
      const expected = typeof description === "string" ? ` Expected: ${description}` : "";
      return { code: "out_of_bounds", message: `${boundMessage(error)}${expected}` };
    }
    case "not":
      return { code: "reserved_word", message: `${shown(String(value))} is a word of its own and can't be an id.` };
    case "pattern":
      return { code: "wrong_format", message: patternMessage(error) };
    default:
      return { code: "out_of_bounds", message: boundMessage(error) };
  }
}

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

/** The value itself where it is short: a playbook's source is its author's own. */
function describe(value: Json): string {
  if (typeof value === "string") return `the text ${shown(value)}`;
  if (typeof value === "number") return `the number ${value}`;
  return typeof value === "boolean" ? String(value) : kindOf(value);
}
