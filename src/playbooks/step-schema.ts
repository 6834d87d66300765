import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";

const duration = { $ref: "#/$defs/duration" };
const text = (lengthMax: number): JsonObject => ({ type: "string", minLength: 1, maxLength: lengthMax });
const target = (description: string): JsonObject => ({ ...text(limits.nameLengthMax), description });

const common: JsonObject = {
  id: { $ref: "#/$defs/stepId" },
  name: { ...text(limits.playbookNameLengthMax), description: "The name people read." },
  type: { type: "string" },
  on_success: target("A step's id, next (the default) or end. Left out, fallback steps are passed over."),
  on_failure: target("abort, continue, retry or a step's id; the playbook's when left out."),
  max_retries: { $ref: "#/$defs/retries", description: "Times the step is tried again before on_failure applies." },
  retry_delay: duration,
  timeout: duration,
  on_interrupt: {
    enum: ["retry", "fail"],
    default: "retry",
    description: "What happens to a step whose server died while it was under way.",
  },
};

const action: JsonObject = {
  action_ref: {
    ...text(256),
    description: "The action: its name, name@MAJOR.MINOR, name@MAJOR.MINOR.PATCH or its UUID",
  },
  parameters: {
    type: "object",
    maxProperties: limits.parametersMax,
    description: "Values of the action's parameters; texts may hold {{ templates }}.",
  },
};

const liveAction: JsonObject = {
  vendor_id: text(limits.nameLengthMax),
  target: text(limits.textLengthMax),
  params: { type: "object", maxProperties: limits.parametersMax },
  dry_run: { type: "boolean" },
};
const capability: JsonObject = text(limits.nameLengthMax);

const approval: JsonObject = {
  approvers: {
    type: "array",
    minItems: 1,
    maxItems: 50,
    items: {
      type: "object",
      minProperties: 1,
      maxProperties: 1,
      additionalProperties: false,
      properties: { role: text(limits.nameLengthMax), user: text(limits.nameLengthMax) },
    },
  },
  message: text(limits.textLengthMax),
  on_timeout: target("abort or a step's id."),
};

const branch: JsonObject = {
  type: "object",
  required: ["id"],
  additionalProperties: false,
  properties: {
    ...common,
    type: { enum: ["action", "live_action", "delay", "approval"], default: "action" },
    ...action,
    action_type: text(limits.nameLengthMax),
    capability,
    ...liveAction,
    ...approval,
    duration,
  },
};

function stepSchema(own: JsonObject, required: readonly string[]): JsonObject {
  return { type: "object", required: [...required], additionalProperties: false, properties: { ...common, ...own } };
}

/** Schema of each type of step, by its name in the document. */
export const steps: Readonly<Record<string, JsonObject>> = {
  action: stepSchema(action, ["action_ref"]),
  condition: stepSchema(
    {
      expression: {
        ...text(limits.expressionLengthMax),
        description: "What is asked, such as {{ finding.cvss }} >= 9.0",
      },
      on_true: target("A step's id, next (the default) or end."),
      on_false: target("A step's id, next (the default) or end."),
    },
    ["expression"],
  ),
  parallel: stepSchema(
    {
      branches: { type: "array", minItems: 1, maxItems: limits.playbookStepsMax, items: branch },
      join: { enum: ["all", "any"], default: "all" },
    },
    ["branches"],
  ),
  delay: stepSchema({ duration }, ["duration"]),
  approval: stepSchema(approval, ["approvers"]),
  live_action: stepSchema({ capability, ...liveAction }, ["capability", "target"]),
};

/** `type: action` with `action_type: ISOLATE_HOST`: the older way to write a live action. */
export const legacyLiveAction: JsonObject = stepSchema(
  { action_type: text(limits.nameLengthMax), ...liveAction, ...action },
  ["action_type"],
);
