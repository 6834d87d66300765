import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";

/** A step or a branch as the document has it; also of a document that is not valid yet. */
export interface StepSource {
  /** Undefined where the document gives none, or none that is a text. */
  readonly id: string | undefined;
  /** Its place in the list of steps, or of its parallel step's branches. */
  readonly index: number;
  readonly path: string;
  /** As it is written; of a branch that says nothing, `action`; of the older spelling of a live action, `live_action`. */
  readonly type: string;
  readonly fields: JsonObject;
  /** The step whose branch this is. */
  readonly parallel?: StepSource;
}

/** The steps of a document, each with its place. Items that are no objects are kept, so that indexes stay. */
export function stepSources(document: JsonObject): StepSource[] {
  const steps = document["steps"];
  if (!Array.isArray(steps)) return [];
  return steps.map((step: Json, index) => {
    const fields = isJsonObject(step) ? step : {};
    return { ...named(fields), index, path: `$.steps[${index}]`, type: typeOf(fields, fields["type"]), fields };
  });
}

/** The branches of a step; none of one that is not parallel and writes none. */
export function branchesOf(parallel: StepSource): StepSource[] {
  const branches = parallel.fields["branches"];
  if (!Array.isArray(branches)) return [];
  return branches.map((branch: Json, index) => {
    const fields = isJsonObject(branch) ? branch : {};
    const { type = "action" } = fields;
    return {
      ...named(fields),
      index,
      path: `${parallel.path}.branches[${index}]`,
      type: typeOf(fields, type),
      fields,
      parallel,
    };
  });
}

/** The steps, each with its branches behind it. */
export function withBranches(steps: readonly StepSource[]): StepSource[] {
  return steps.flatMap((step) => [step, ...branchesOf(step)]);
}

/** True where every failure is a "no" of people: of an approval, and of a parallel step with nothing but approvals. */
export function onlyAsks(step: StepSource): boolean {
  if (step.type !== "parallel") return step.type === "approval";
  const branches = branchesOf(step);
  return branches.length > 0 && branches.every(({ type }) => type === "approval");
}

/** True where a live action is written the older way: `type: action` with `action_type: ISOLATE_HOST`. */
export function isLegacySpelling({ type, fields }: Pick<StepSource, "type" | "fields">): boolean {
  return type === "live_action" && fields["type"] !== "live_action";
}

function typeOf(fields: JsonObject, type: Json | undefined): string {
  return type === "action" && fields["action_type"] !== undefined ? "live_action" : String(type);
}

function named({ id }: JsonObject): Pick<StepSource, "id"> {
  return { id: typeof id === "string" ? id : undefined };
}
