import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";

const text = (lengthMax: number, description: string): JsonObject => ({
  type: "string",
  minLength: 1,
  maxLength: lengthMax,
  description,
});
const target = (description: string): JsonObject => text(limits.nameLengthMax, description);
const duration = (description: string): JsonObject => ({ $ref: "#/$defs/duration", description });

const retries: JsonObject = {
  max_retries: { $ref: "#/$defs/retries", description: "Times it is tried again before on_failure applies." },
  retry_delay: duration("Time between two tries, such as 10s."),
};

const stepCommon: JsonObject = {
  id: { $ref: "#/$defs/stepId" },
  name: text(limits.playbookNameLengthMax, "The name people read."),
  on_success: target(
    "What follows a success: a step's id, next or end. Left out, the next step that is nobody's fallback.",
  ),
  on_failure: target(
    "What follows a failure: abort, continue, retry or a step's id. Left out, what the playbook says.",
  ),
  ...retries,
  timeout: duration("Bound of one try, such as 5m. An action's own timeout holds besides."),
  on_interrupt: {
    enum: ["retry", "fail"],
    default: "retry",
    description:
      "What happens to an action whose server died while it was under way. A live action is only called again where doing it twice is doing it once.",
  },
};

const branchCommon: JsonObject = {
  ...stepCommon,
  id: {
    $ref: "#/$defs/stepId",
    description: "The branch's id, unique in the playbook. Later steps find its output by it: {{ steps.<id>.output }}.",
  },
  name: text(limits.playbookNameLengthMax, "The name people read; the id when left out."),
  on_failure: {
    enum: ["abort", "continue", "retry"],
    default: "abort",
    description:
      "abort: the branch counts as failed. continue: its failure is passed over. retry: once more, then abort.",
  },
};

/** Of an approval that is a branch. */
const hardRules: JsonObject = {
  on_failure: {
    enum: ["abort", "continue", "retry"],
    default: "abort",
    description:
      'abort. A "no" fails the parallel step, and leads on only where the on_failure of that is a step\'s id.',
  },
  on_timeout: { enum: ["abort"], default: "abort", description: 'When nobody decides in time, that is as a "no".' },
};

const typeDescriptions: Readonly<Record<string, string>> = {
  action: "Executes a registered action.",
  condition: "Asks an expression, and goes one of two ways.",
  parallel: "Runs branches at the same time.",
  delay: "Waits for a time.",
  approval: "Asks people, and waits for their decision.",
  live_action: "Dispatches a capability of a vendor on a target.",
};

const liveActionFields: JsonObject = {
  vendor_id: {
    ...text(limits.nameLengthMax, "The vendor in lower_snake, such as crowdstrike; left out, the tenant's pinned one"),
    pattern: "^[a-z][a-z0-9_]*$",
  },
  target: text(limits.textLengthMax, "What is acted on; may hold {{ templates }}."),
  params: {
    type: "object",
    maxProperties: limits.parametersMax,
    description:
      'The capability\'s parameters; texts may hold {{ templates }}. A credential is {"$secret": "name"}, or left out: it is then looked for under its own name.',
  },
  dry_run: { type: "boolean", default: false, description: "Simulate it: the vendor is not contacted." },
};

/** The fields that only one type of step has, and may stand in a branch. */
const leafFields: Readonly<Record<string, JsonObject>> = {
  action: {
    action_ref: text(256, "The action: its name, name@MAJOR.MINOR, name@MAJOR.MINOR.PATCH or its UUID."),
    parameters: {
      type: "object",
      maxProperties: limits.parametersMax,
      description: "Values of the action's parameters; texts may hold {{ templates }}.",
    },
  },
  delay: { duration: duration("How long it waits, such as 90s, 5m, 4h or 1h30m.") },
  approval: {
    approvers: {
      type: "array",
      minItems: 1,
      maxItems: limits.approversMax,
      items: { $ref: "#/$defs/approver" },
      description: "Who may decide; any one of them is enough. Whoever started the run may not.",
    },
    message: text(limits.textLengthMax, "What people are asked; may hold {{ templates }}."),
    timeout: duration("The time people have, such as 4h. Left out, as long as the run may last."),
    on_failure: target(
      'What follows a "no": a step\'s id, or abort (the default). Whatever the playbook says, a "no" never goes on.',
    ),
    on_timeout: { ...target("What follows when nobody decides in time: a step's id, or abort."), default: "abort" },
  },
  live_action: {
    capability: {
      ...text(limits.nameLengthMax, "What is done, in lower_snake, such as isolate_host"),
      pattern: "^[a-z][a-z0-9_]*$",
    },
    ...liveActionFields,
  },
};

const branchingFields: Readonly<Record<string, JsonObject>> = {
  condition: {
    expression: text(limits.expressionLengthMax, "What is asked, such as {{ finding.cvss }} >= 9.0"),
    on_true: target("What follows when it is true: a step's id, next (the default) or end."),
    on_false: target("What follows when it is false or unknown: a step's id, next (the default) or end."),
  },
  parallel: {
    branches: {
      type: "array",
      minItems: 1,
      maxItems: limits.playbookStepsMax,
      items: { $ref: "#/$defs/branch" },
      description: "What runs at the same time, each an action, a live action, a delay or an approval.",
    },
    join: {
      enum: ["all", "any"],
      default: "all",
      description:
        "all: goes on when every branch has ended, and fails if one failed. any: goes on as the first branch that ends.",
    },
    timeout: duration("Bound of all branches together; those under way then are ended."),
  },
};

const required: Readonly<Record<string, readonly string[]>> = {
  action: ["action_ref"],
  condition: ["expression"],
  parallel: ["branches"],
  delay: ["duration"],
  approval: ["approvers"],
  live_action: ["capability", "target"],
};

/** `type: action` with `action_type: ISOLATE_HOST`: the older way to write a live action. */
const legacyFields: JsonObject = {
  action_type: {
    ...text(
      limits.nameLengthMax,
      "The capability in capitals, such as ISOLATE_HOST: the older way to write a live_action",
    ),
    pattern: "^[A-Za-z][A-Za-z0-9_]*$",
  },
  ...leafFields["action"],
  ...liveActionFields,
};

/** Fields of each type of step that not every step has, by the type's name in documents. */
export const ownFields: Readonly<Record<string, JsonObject>> = { ...leafFields, ...branchingFields };

const typeNames = ["action", "condition", "parallel", "delay", "approval", "live_action"] as const;
/** The types of a branch. */
export const branchTypeNames = ["action", "delay", "approval", "live_action"] as const;

/** Schemas of a step and of a branch of each type, by their name in `$defs`. */
export const stepSchemas: Readonly<Record<string, JsonObject>> = {
  step: oneOfTypes(typeNames, "Step"),
  branch: oneOfTypes(branchTypeNames, "Branch"),
  ...Object.fromEntries(typeNames.map((type) => [`${type}Step`, stepSchema(type, ownFields[type], required[type])])),
  legacyLiveActionStep: stepSchema("action", legacyFields, ["action_type", "target"]),
  ...Object.fromEntries(
    branchTypeNames.map((type) => [`${type}Branch`, branchSchema(type, leafFields[type], required[type])]),
  ),
  legacyLiveActionBranch: branchSchema("action", legacyFields, ["action_type", "target"]),
  approver: {
    type: "object",
    minProperties: 1,
    maxProperties: 1,
    additionalProperties: false,
    properties: {
      role: text(limits.nameLengthMax, "Whoever has this role, such as security_lead."),
      user: text(limits.nameLengthMax, "The one of this name."),
    },
    description: "One role or one user: {role: security_lead} or {user: alice}.",
  },
};

/** Chooses the schema by the type: so a problem is told of the fields of that type only, and editors offer those. */
function oneOfTypes(types: readonly string[], suffix: "Step" | "Branch"): JsonObject {
  const isStep = suffix === "Step";
  const refer = (name: string): JsonObject => ({ $ref: `#/$defs/${name}${suffix}` });
  return {
    type: "object",
    required: isStep ? ["id", "name", "type"] : ["id"],
    properties: {
      id: true,
      ...(isStep ? { name: true } : {}),
      type: {
        enum: [...types],
        ...(isStep ? {} : { default: "action" }),
        description: isStep ? "What kind of step it is." : "What kind of branch it is; an action when left out.",
      },
    },
    allOf: types.map((type) => ({
      // A branch without a type passes the test for an action, since the property is not required.
      if: {
        ...(isStep || type !== "action" ? { required: ["type"] } : {}),
        properties: { type: { const: type } },
      },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then:
        type === "action"
          ? {
              if: { required: ["action_type"], properties: { action_type: true } },
              // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
              then: refer("legacyLiveAction"),
              else: refer("action"),
            }
          : refer(type),
    })),
    description: isStep ? "A step: its fields depend on its type." : "A branch: its fields depend on its type.",
  };
}

function stepSchema(type: string, own: JsonObject = {}, needed: readonly string[] = []): JsonObject {
  return {
    type: "object",
    required: ["id", "name", "type", ...needed],
    additionalProperties: false,
    properties: { type: typeOf(type), ...stepCommon, ...own },
  };
}

/** As a step, but it leads nowhere: the ways are its parallel step's. */
function branchSchema(type: string, own: JsonObject = {}, needed: readonly string[] = []): JsonObject {
  const { on_success: _none, ...common } = branchCommon;
  const properties = { type: typeOf(type), ...common, ...own, ...(type === "approval" ? hardRules : {}) };
  return { type: "object", required: ["id", ...needed], additionalProperties: false, properties };
}

function typeOf(type: string): JsonObject {
  return { const: type, description: typeDescriptions[type] ?? type };
}
