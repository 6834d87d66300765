import type { Issue } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
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
import { actionDefinitionSchema } from "./definition-schema.ts";

const check = createSchemaCheck(actionDefinitionSchema);

/** What JSON Schema finds wrong with a definition: all of it, one issue for each place. Conditions have a check of their own. */
export function schemaIssues(definition: JsonObject): Issue[] {
  const issues = new Map<string, Issue>();
  for (const error of check(definition)) {
    if (/^\$\.conditions(?![\w$-])/.test(error.path)) continue;
    const issue = issueOf(error);
    // Several keywords may complain of one value; the first says enough.
    if (!issues.has(issue.path)) issues.set(issue.path, issue);
  }
  return [...issues.values()];
}

function issueOf(error: SchemaError): Issue {
  const { path, value, keyword, params } = error;
  switch (keyword) {
    case "required": {
      const field = String(params["missingProperty"]);
      return { path: childPath(path, field), code: "required", message: `${field} is missing.` };
    }
    case "additionalProperties": {
      const field = String(params["additionalProperty"]);
      return { path: childPath(path, field), code: "unknown_field", message: unknownFieldMessage(error) };
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
      return { path, code: "wrong_format", message: patternMessage(error) };
    default:
      return { path, code: "out_of_bounds", message: boundMessage(error) };
  }
}

function enumMessage(allowed: readonly string[], value: Json): string {
  const found = typeof value === "string" ? shown(value) : `This is ${kindOf(value)} and`;
  const hint = typeof value === "string" ? nameHint(value, allowed) : "";
  return `${found} is none of ${allowed.join(", ")}.${hint}`;
}
