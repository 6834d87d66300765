import { versionPattern } from "../actions/version.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { stepSchemas } from "./step-schema.ts";

export const triggerEvents = [
  "finding.new",
  "finding.status_changed",
  "scan.completed",
  "scan.failed",
  "action.completed",
  "manual",
  "schedule",
] as const;

/**
 * The playbook document as JSON Schema (draft 2020-12): what `playbookSchema` and `GET /api/playbooks/schema` answer, and what
 * registration checks first. It works in any standard validator and in editors. What it can't say (references, cycles, expressions) is checked after it.
 */
export const playbookDocumentSchema: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:riposte:playbook-document",
  title: "Playbook",
  description: "A playbook: what starts it, and its steps.",
  type: "object",
  required: ["id", "name", "version", "trigger", "steps"],
  additionalProperties: false,
  properties: {
    id: { $ref: "#/$defs/id", description: "The playbook's key, unique in the tenant." },
    name: {
      type: "string",
      minLength: 1,
      maxLength: limits.playbookNameLengthMax,
      description: "The name people read.",
    },
    version: {
      type: "string",
      maxLength: 32,
      pattern: versionPattern,
      description: 'MAJOR.MINOR.PATCH as text, such as "1.2.0"',
    },
    description: { type: "string", maxLength: limits.textLengthMax, description: "What it is for." },
    trigger: { $ref: "#/$defs/trigger", description: "What starts the playbook." },
    steps: {
      type: "array",
      minItems: 1,
      maxItems: limits.playbookStepsMax,
      items: { $ref: "#/$defs/step" },
      description: "The steps, in order. The first one starts.",
    },
    on_failure: {
      enum: ["abort", "continue", "retry"],
      default: "abort",
      description: "What the failure of a step does that says nothing itself; retry runs the whole playbook again.",
    },
    max_retries: { $ref: "#/$defs/retries", default: 0, description: "Times the whole playbook may run again." },
    timeout_minutes: {
      type: "integer",
      minimum: 1,
      maximum: limits.playbookTimeoutMinutesMax,
      description: "Longest life of a run, its waiting included.",
    },
    tags: {
      type: "array",
      maxItems: limits.tagsMax,
      uniqueItems: true,
      items: { type: "string", minLength: 1, maxLength: limits.tagLengthMax },
      description: "Labels for filtering.",
    },
    enabled: {
      type: "boolean",
      default: true,
      description: "Whether it can be executed, from its first registration on.",
    },
  },
  $defs: {
    id: {
      type: "string",
      pattern: "^[A-Za-z0-9_.-]{1,128}$",
      not: { const: "__proto__" },
      description: "1 to 128 letters, digits, dots, hyphens or underscores",
    },
    stepId: {
      allOf: [{ $ref: "#/$defs/id" }],
      not: { enum: ["next", "end", "abort", "continue", "retry"] },
      description: "The step's id, unique in the playbook; next, end, abort, continue and retry are words of their own",
    },
    retries: { type: "integer", minimum: 0, maximum: limits.attemptsMax },
    duration: {
      type: "string",
      pattern: "^([0-9]+(ms|s|m|h|d))+$",
      description: "A duration such as 90s, 5m, 4h or 1h30m",
    },
    trigger: {
      type: "object",
      required: ["event"],
      additionalProperties: false,
      properties: {
        event: { enum: [...triggerEvents], description: "What starts the playbook; any can be executed by hand, too." },
        conditions: {
          type: "object",
          description: "Field to a literal or to operators ($in, $gte, …), all of which must hold of the event.",
        },
        cron: {
          type: "string",
          minLength: 1,
          maxLength: 128,
          description: "For schedule: five fields, such as 0 8 * * 1.",
        },
        timezone: {
          type: "string",
          minLength: 1,
          maxLength: 64,
          default: "UTC",
          description: "For schedule: an IANA name.",
        },
      },
      if: { required: ["event"], properties: { event: { const: "schedule" } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { required: ["cron"], properties: { cron: true } },
    },
    ...stepSchemas,
  },
};
