import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { actionTypeWords, executorTypeWords, methodWords, parameterTypeWords } from "./definition.ts";
import { versionPattern } from "./version.ts";

const conditionOps = ["eq", "neq", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "matches"];

const validation = {
  type: "object",
  description: "Rules for the values: pattern and lengths of a string, bounds of an integer, the values of an enum.",
  additionalProperties: false,
  properties: {
    pattern: {
      type: "string",
      maxLength: limits.patternLengthMax,
      description:
        "Of a string: a regular expression (RE2 syntax) that is searched for in it; anchors are the author's.",
    },
    min_length: { type: "integer", minimum: 0, description: "Of a string: fewest characters." },
    max_length: { type: "integer", minimum: 0, description: "Of a string: most characters." },
    min: { $ref: "#/$defs/safeInteger", description: "Of an integer: the least value." },
    max: { $ref: "#/$defs/safeInteger", description: "Of an integer: the greatest value." },
    allowed_values: {
      type: "array",
      description: "Of an enum, which must have them: the values.",
      minItems: 1,
      maxItems: limits.allowedValuesMax,
      uniqueItems: true,
      items: { type: "string", maxLength: limits.allowedValueLengthMax },
    },
  },
};

const parameter = {
  type: "object",
  required: ["name", "type"],
  additionalProperties: false,
  properties: {
    name: {
      type: "string",
      pattern: `^[A-Za-z_][A-Za-z0-9_-]{0,${limits.parameterNameLengthMax - 1}}$`,
      description: `a key of up to ${limits.parameterNameLengthMax} letters, digits, _ and -, beginning with a letter or _.`,
    },
    label: { type: "string", maxLength: limits.textLengthMax, description: "What people see in its place." },
    type: { enum: [...parameterTypeWords], description: "Type of the value; nothing is coerced." },
    required: { type: "boolean", default: false, description: "Whether there must be a value." },
    default: { description: "The value when there is no other." },
    description: { type: "string", maxLength: limits.textLengthMax, description: "Help text." },
    validation: { $ref: "#/$defs/validation" },
  },
};

const executor = {
  type: "object",
  description: "How the action runs.",
  required: ["type", "target"],
  additionalProperties: false,
  properties: {
    type: {
      enum: [...executorTypeWords],
      description: "A script of the package, an HTTP request, or an agent on premises.",
    },
    target: {
      type: "string",
      minLength: 1,
      maxLength: limits.targetLengthMax,
      description:
        "Path of the script in the package (local), URL (remote; may hold templates), or the agent's id (opservant).",
    },
    method: { enum: [...methodWords], default: "POST", description: "Remote only." },
    headers: {
      type: "object",
      description:
        'Remote only; values may hold templates, or are a secret of the credential store: {"$secret": "its name"}.',
      maxProperties: limits.headersMax,
      additionalProperties: {
        anyOf: [
          { type: "string", maxLength: limits.headerValueLengthMax },
          {
            type: "object",
            required: ["$secret"],
            additionalProperties: false,
            properties: { $secret: { type: "string", pattern: "^[A-Za-z0-9_.-]{1,128}$" } },
          },
        ],
      },
    },
    entry: {
      type: "string",
      minLength: 1,
      maxLength: limits.packagePathLengthMax,
      description: "Opservant only: the script of the package that the agent runs; by default its only file.",
    },
  },
};

const conditions = {
  type: "object",
  description: "When they are false the action is skipped.",
  required: ["operator", "rules"],
  additionalProperties: false,
  properties: {
    operator: { enum: ["and", "or"] },
    rules: {
      type: "array",
      minItems: 1,
      maxItems: limits.conditionRulesMax,
      items: { anyOf: [{ $ref: "#/$defs/rule" }, { $ref: "#/$defs/conditions" }] },
    },
  },
};

const rule = {
  type: "object",
  required: ["field", "op", "value"],
  additionalProperties: false,
  properties: {
    field: { type: "string", pattern: "\\{\\{", description: "A template, such as {{ finding.severity }}." },
    op: { enum: conditionOps },
    value: { description: "What the field is compared with; may hold templates." },
  },
};

const retry = {
  type: "object",
  description: "How often a failure or a timeout of the executor is tried again.",
  additionalProperties: false,
  properties: {
    max_attempts: {
      type: "integer",
      minimum: 1,
      maximum: limits.attemptsMax,
      default: 1,
      description: "The first included.",
    },
    backoff_seconds: {
      type: "integer",
      minimum: 0,
      maximum: limits.backoffMsMax / 1_000,
      default: 0,
      description: "Before the second attempt; doubled before each further one.",
    },
  },
};

const required = {
  name: {
    type: "string",
    minLength: limits.actionNameLengthMin,
    maxLength: limits.nameLengthMax,
    description: "Unique in the tenant.",
  },
  version: { type: "string", pattern: versionPattern, description: "MAJOR.MINOR.PATCH, such as 1.0.0." },
  type: { enum: [...actionTypeWords], description: "Category of the action." },
  description: { type: "string", maxLength: limits.actionDescriptionLengthMax, description: "What the action does." },
  parameters: {
    type: "array",
    description: "What the action accepts, in order; may be empty.",
    maxItems: limits.parametersMax,
    items: { $ref: "#/$defs/parameter" },
  },
  executor: { $ref: "#/$defs/executor" },
};

const optional = {
  id: {
    type: "string",
    pattern: "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$",
    description: "a UUID v4. Assigned when left out.",
  },
  tags: {
    type: "array",
    description: "For filters and search.",
    maxItems: limits.tagsMax,
    uniqueItems: true,
    items: { type: "string", minLength: 1, maxLength: limits.tagLengthMax },
  },
  enabled: { type: "boolean", default: true, description: "Whether the action may run when it is first registered." },
  timeout_seconds: {
    type: "integer",
    minimum: 1,
    maximum: limits.timeoutSecondsMax,
    default: limits.timeoutSecondsDefault,
    description: "Longest time of one attempt.",
  },
  retry: { $ref: "#/$defs/retry" },
  conditions: { $ref: "#/$defs/conditions" },
  input_mapping: {
    type: "object",
    description:
      "Parameter to template or literal; for a remote executor also other names, and then it is the whole body.",
    maxProperties: limits.mappingEntriesMax,
  },
  output_mapping: {
    type: "object",
    description: "Variable to a path in the result, such as result.data.rule_id.",
    maxProperties: limits.mappingEntriesMax,
    additionalProperties: { type: "string", maxLength: limits.targetLengthMax },
  },
  on_interrupt: {
    enum: ["retry", "fail"],
    default: "retry",
    description:
      "What becomes of a run that was under way when its node died: tried again, or failed with effect_unknown.",
  },
};

/** The one JSON Schema of action definitions (draft 2020-12): what is checked, what `actionDefinitionSchema` and `GET /api/actions/schema` return. */
export const actionDefinitionSchema: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:riposte:action-definition",
  title: "Action definition",
  description: "A reusable unit of response work: what it takes and how it runs.",
  type: "object",
  required: Object.keys(required),
  additionalProperties: false,
  properties: { ...required, ...optional },
  $defs: {
    safeInteger: { type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
    validation,
    parameter,
    executor,
    retry,
    conditions,
    rule,
  },
};
