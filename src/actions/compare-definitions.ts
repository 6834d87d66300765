import type { Issue } from "../core/failures.ts";
import type { Json } from "../core/json.ts";
import type { ActionDefinition, ParameterDefinition, ParameterValidation } from "./definition.ts";
import {
  allowsBump,
  type Bump,
  bumpBetween,
  bumped,
  compareVersions,
  formatVersion,
  largerBump,
  type Version,
} from "./version.ts";

/** How large a step a change needs, and what in it asks for that. */
export interface RequiredBump {
  readonly bump: Bump;
  /** What needs a step of that size, one sentence each; empty for a patch. */
  readonly reasons: readonly string[];
}

/**
 * The smallest step that may hold the change from one definition to another:
 * - patch: nothing that a caller can notice. Texts for people, order of parameters, headers, mappings and the script may change;
 * - minor: what callers used to do works as before. Optional parameters and output variables are added, rules are loosened;
 * - major: everything else, such as parameters removed, renamed, retyped, tightened or made required, another default, another
 *   type of executor, method or target, an output variable removed. A local script and an agent's entry may be renamed.
 */
export function requiredBump(before: ActionDefinition, after: ActionDefinition): RequiredBump {
  const changes = [
    ...parameterChanges(before, after),
    ...executorChanges(before, after),
    ...mappingChanges(before, after),
  ];
  const bump = changes.reduce<Bump>((largest, change) => largerBump(largest, change.bump), "patch");
  return { bump, reasons: changes.filter((change) => change.bump === bump).map(({ reason }) => reason) };
}

interface Change {
  readonly bump: "minor" | "major";
  readonly reason: string;
}

function parameterChanges(before: ActionDefinition, after: ActionDefinition): Change[] {
  const old = new Map(before.parameters.map((parameter) => [parameter.name, parameter]));
  const kept = new Set(after.parameters.map(({ name }) => name));
  const changes: Change[] = [];
  for (const name of old.keys()) {
    if (!kept.has(name)) changes.push({ bump: "major", reason: `The parameter ${name} was removed or renamed.` });
  }
  for (const parameter of after.parameters) {
    const was = old.get(parameter.name);
    if (was) changes.push(...changesOf(was, parameter));
    else if (isNeeded(parameter))
      changes.push({ bump: "major", reason: `The required parameter ${parameter.name} is new.` });
    else changes.push({ bump: "minor", reason: `The optional parameter ${parameter.name} is new.` });
  }
  return changes;
}

function isNeeded(parameter: ParameterDefinition): boolean {
  return (parameter.required ?? false) && defaultOf(parameter) === null;
}

function defaultOf(parameter: ParameterDefinition): Json {
  return parameter.default ?? null;
}

function changesOf(before: ParameterDefinition, after: ParameterDefinition): Change[] {
  const { name } = after;
  if (before.type !== after.type) {
    return [{ bump: "major", reason: `The parameter ${name} was ${before.type} and is ${after.type}.` }];
  }
  const changes: Change[] = [];
  if (!before.required && after.required)
    changes.push({ bump: "major", reason: `The parameter ${name} became required.` });
  if (before.required && !after.required)
    changes.push({ bump: "minor", reason: `The parameter ${name} is required no more.` });
  if (defaultOf(before) !== defaultOf(after)) {
    // A value was required of every caller, so none of them sees the new default.
    const isUnseen = isNeeded(before);
    changes.push({ bump: isUnseen ? "minor" : "major", reason: `The default of the parameter ${name} changed.` });
  }
  return [...changes, ...ruleChanges(name, before.validation ?? {}, after.validation ?? {})];
}

function ruleChanges(name: string, before: ParameterValidation, after: ParameterValidation): Change[] {
  const tightened = (rule: string): Change => ({
    bump: "major",
    reason: `${rule} of the parameter ${name} became tighter.`,
  });
  const loosened = (rule: string): Change => ({
    bump: "minor",
    reason: `${rule} of the parameter ${name} became looser.`,
  });
  const changes: Change[] = [];
  for (const rule of ["min", "min_length"] as const) {
    const [was, is] = [before[rule] ?? Number.NEGATIVE_INFINITY, after[rule] ?? Number.NEGATIVE_INFINITY];
    if (was !== is) changes.push(is > was ? tightened(rule) : loosened(rule));
  }
  for (const rule of ["max", "max_length"] as const) {
    const [was, is] = [before[rule] ?? Number.POSITIVE_INFINITY, after[rule] ?? Number.POSITIVE_INFINITY];
    if (was !== is) changes.push(is < was ? tightened(rule) : loosened(rule));
  }
  // Whether one pattern takes all that another takes can't be told.
  if (before.pattern !== after.pattern)
    changes.push(after.pattern === undefined ? loosened("pattern") : tightened("pattern"));
  const [was, is] = [new Set(before.allowed_values), new Set(after.allowed_values)];
  if (!was.isSubsetOf(is)) changes.push(tightened("allowed_values"));
  else if (was.size !== is.size) changes.push(loosened("allowed_values"));
  return changes;
}

function executorChanges({ executor: before }: ActionDefinition, { executor: after }: ActionDefinition): Change[] {
  if (before.type !== after.type) {
    return [{ bump: "major", reason: `The executor was ${before.type} and is ${after.type}.` }];
  }
  const changes: Change[] = [];
  if (after.type === "remote" && (before.method ?? "POST") !== (after.method ?? "POST")) {
    changes.push({ bump: "major", reason: "The executor's method changed." });
  }
  if (after.type !== "local" && before.target !== after.target) {
    changes.push({ bump: "major", reason: "The executor's target changed." });
  }
  return changes;
}

function mappingChanges(before: ActionDefinition, after: ActionDefinition): Change[] {
  const changes: Change[] = [];
  const [was, is] = [Object.keys(before.output_mapping ?? {}), Object.keys(after.output_mapping ?? {})];
  for (const name of was) {
    if (!is.includes(name)) changes.push({ bump: "major", reason: `The output variable ${name} was removed.` });
  }
  for (const name of is) {
    if (!was.includes(name)) changes.push({ bump: "minor", reason: `The output variable ${name} is new.` });
  }
  const declared = new Set(before.parameters.filter(isNeeded).map(({ name }) => name));
  for (const name of Object.keys(before.input_mapping ?? {})) {
    if (!declared.has(name) || Object.hasOwn(after.input_mapping ?? {}, name)) continue;
    if (!after.parameters.some((parameter) => parameter.name === name && isNeeded(parameter))) continue;
    changes.push({
      bump: "major",
      reason: `The required parameter ${name} has no mapping any more, so callers must give it.`,
    });
  }
  return changes;
}

/** A registered version with its definition. */
export interface VersionedDefinition {
  readonly version: Version;
  readonly definition: ActionDefinition;
}

/**
 * Checks a new version against its neighbours: the highest below it is what semver promises compatibility with. The lowest above
 * it, which a back-port comes to stand before, can only be warned about: that version is there already.
 */
export function bumpIssues(
  added: VersionedDefinition,
  {
    below,
    above,
  }: { readonly below?: VersionedDefinition | undefined; readonly above?: VersionedDefinition | undefined },
): { readonly issues: Issue[]; readonly warnings: Issue[] } {
  return {
    issues: below ? stepIssues(below, added, "version_too_small") : [],
    warnings: above ? stepIssues(added, above, "breaks_next_version") : [],
  };
}

function stepIssues(below: VersionedDefinition, above: VersionedDefinition, code: string): Issue[] {
  if (compareVersions(below.version, above.version) >= 0) throw new Error("The versions are not in order.");
  const step = bumpBetween(below.version, above.version);
  const { bump, reasons } = requiredBump(below.definition, above.definition);
  if (allowsBump(step, bump)) return [];
  const [from, to] = [formatVersion(below.version), formatVersion(above.version)];
  const ask =
    code === "version_too_small"
      ? ` That needs a ${bump} step, such as ${formatVersion(bumped(below.version, bump))}.`
      : "";
  const message = `From ${from} to ${to} is a ${step} step, and what changed is ${bump}: ${reasons.join(" ")}${ask}`;
  return [{ path: "$.version", code, message }];
}
