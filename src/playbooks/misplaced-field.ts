import { isJsonObject, type Json } from "../core/json.ts";
import { shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { branchTypeNames, ownFields } from "./step-schema.ts";

interface Misplaced {
  readonly code: string;
  readonly message: string;
}

const onward = new Set(["on_success", "on_true", "on_false"]);

/** About a field that is right in another place: of another type of step, or of a step and not of a branch. */
export function misplacedField(path: string, field: string, step: Json): Misplaced | undefined {
  if (!isStep(path) || !isJsonObject(step)) return undefined;
  if (isBranch(path) && onward.has(field)) {
    const message = `A branch leads nowhere by itself; write what follows as on_success of the parallel step, and take ${field} out.`;
    return { code: "not_in_branch", message };
  }
  const owners = Object.keys(ownFields).filter((type) => Object.hasOwn(ownFields[type] ?? {}, field));
  if (owners.length === 0) return undefined;
  const whole = `${shown(field)} belongs to ${owners.join(" and ")} steps`;
  const { type } = step;
  if (type !== undefined) return { code: "unknown_field", message: `${whole}; this one is of type ${String(type)}.` };
  const meant = branchTypeNames.find((name) => owners.includes(name));
  const hint = meant ? `Write type: ${meant} if that is meant.` : `Branches are ${branchTypeNames.join(", ")}.`;
  return { code: "unknown_field", message: `${whole}; this branch has no type, so it is an action. ${hint}` };
}

/** About a word that a step's field may hold and a branch's may not. */
export function misplacedWord(path: string, value: Json, allowed: readonly string[]): Misplaced | undefined {
  const [, branch = "", field = ""] = /^(.*)\.(\w+)$/.exec(path) ?? [];
  const reason = isBranch(branch) && Object.hasOwn(reasons, field) ? reasons[field] : undefined;
  if (reason === undefined || typeof value !== "string") return undefined;
  const message = `${shown(value)} can't stand in a branch, which takes ${allowed.join(", ")}. ${reason}${nameHint(value, allowed)}`;
  return { code: "not_in_branch", message };
}

const reasons: Readonly<Record<string, string>> = {
  type: "Conditions and parallel steps stand in the list of steps; a branch is one step without ways of its own.",
  on_failure:
    "A branch leads to no other step: name that in on_failure of the parallel step, which fails with its branch.",
  on_timeout:
    "A branch leads to no other step: name that in on_failure of the parallel step, which fails with its branch.",
};

function isStep(path: string): boolean {
  return /^\$\.steps\[\d+\](\.branches\[\d+\])?$/.test(path);
}

function isBranch(path: string): boolean {
  return isStep(path) && path.includes(".branches[");
}
