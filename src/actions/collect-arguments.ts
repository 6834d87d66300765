import { DomainFailure, type Issue, ValidationFailure } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import type { Scope } from "../expressions/scope.ts";
import { isTemplate, renderTemplate, type StandIn, templatePaths } from "../expressions/template.ts";
import { argumentViolations } from "./check-argument.ts";
import { nameIn } from "./check-templates.ts";
import { type ActionDefinition, type ParameterDefinition, secretReference } from "./definition.ts";
import { type InvocationPlan, invocationPlan } from "./invocation-plan.ts";

export interface Invocation {
  readonly definition: ActionDefinition;
  /** What the caller or the step gives, templates rendered. Null is as good as left out. */
  readonly parameters: JsonObject;
  readonly scope: Scope;
  /** Secrets given with the call, by parameter: they win over `parameters`. */
  readonly givenSecrets: Readonly<Record<string, string>>;
  /** What the credential store has of `neededSecrets`, by its own names. */
  readonly storedSecrets: ReadonlyMap<string, string>;
  readonly unknowns?: Unknowns;
}

/** What of an invocation can't be known, in a dry run: it stands there as it is written, and breaks no rule. */
export interface Unknowns {
  /** The texts of the paths that can't be known. */
  readonly standIn: StandIn;
  /** Which of `parameters` have such a text in them. */
  readonly names: ReadonlySet<string>;
}

/** The arguments of an invocation, and all that is wrong with them. */
export interface Collected {
  /** Secrets included, in declared order, only what is present. */
  readonly values: ReadonlyMap<string, Json>;
  /** Problems of what the caller gave: mistakes, whether the action would have run or not. */
  readonly callerIssues: readonly Issue[];
  /** Problems of what is missing or came from elsewhere. */
  readonly otherIssues: readonly Issue[];
  /** Arguments that can't be known: what stands in `values` is how they are written. */
  readonly unknownNames: ReadonlySet<string>;
  readonly warnings: readonly string[];
}

/**
 * Names to ask the credential store for.
 * @param parameters As the caller or the step wrote them: templates may not be rendered yet. A reference that only comes out of a
 *   template is not among them, so that no data can choose a secret.
 */
export function neededSecrets(definition: ActionDefinition, parameters: JsonObject): string[] {
  const names = new Set<string>();
  for (const name of invocationPlan(definition).secretNames) {
    const given = ownValue(parameters, name);
    const mapped = ownValue(definition.input_mapping, name);
    const source = given !== undefined ? given : mapped;
    const reference = secretReference(source);
    if (reference !== undefined) names.add(reference);
    else if (source === undefined || (typeof source === "string" && isTemplate(source))) {
      const mappedReference = secretReference(mapped);
      names.add(mappedReference ?? name);
    }
  }
  return [...names, ...headerSecrets(definition)];
}

/** The secrets that headers name. */
export function headerSecrets({ executor }: ActionDefinition): string[] {
  return Object.values(executor.headers ?? {}).flatMap((value) => secretReference(value) ?? []);
}

/**
 * The value of each parameter, from the first source that has one: the caller, `input_mapping`, for a secret the credential store,
 * the default. Every rule is checked; nothing is coerced; nothing is thrown for what the values are.
 */
export function collectArguments(invocation: Invocation): Collected {
  const plan = invocationPlan(invocation.definition);
  const values = new Map<string, Json>();
  const unknownNames = new Set<string>();
  const [callerIssues, otherIssues, warnings]: [Issue[], Issue[], string[]] = [unknownIssues(plan, invocation), [], []];
  // Only mappings read the other parameters.
  const isMapped = invocation.definition.input_mapping !== undefined;
  const scope = isMapped ? { ...invocation.scope, parameters: plainGiven(plan, invocation) } : invocation.scope;
  for (const parameter of invocation.definition.parameters) {
    const { value, isCallers, isUnknown, issue } = findValue(parameter, { invocation, scope, warnings });
    const path = childPath("$.parameters", parameter.name);
    const issues = isCallers ? callerIssues : otherIssues;
    if (issue) issues.push({ path, ...issue });
    else if (value !== undefined) {
      values.set(parameter.name, value);
      if (isUnknown) unknownNames.add(parameter.name);
      else for (const violation of argumentViolations(parameter, value)) issues.push({ path, ...violation });
    } else if (parameter.required) otherIssues.push({ path, ...missing(parameter) });
  }
  return { values, callerIssues, otherIssues, unknownNames, warnings };
}

function missing({ name, type }: ParameterDefinition): { code: string; message: string } {
  const message =
    type === "secret"
      ? `${name} is required: give it, or put it into the credential store under that name.`
      : `${name} is required and has no value.`;
  return { code: "required", message };
}

function unknownIssues({ byName }: InvocationPlan, { parameters }: Invocation): Issue[] {
  return Object.keys(parameters)
    .filter((name) => !byName.has(name))
    .map((name) => {
      const known = [...byName.keys()];
      const hint = nameHint(name, known) || (known.length > 0 ? ` There are ${known.join(", ")}.` : " It takes none.");
      const message = `The action has no parameter ${shown(name)}.${hint}`;
      return { path: childPath("$.parameters", name), code: "unknown_parameter", message };
    });
}

/** What mappings can read as `parameters`: the caller's values over the defaults, no secrets. */
function plainGiven(plan: InvocationPlan, { parameters }: Invocation): JsonObject {
  const given: [string, Json][] = [];
  for (const [name, parameter] of plan.byName) {
    if (plan.secretNames.has(name)) continue;
    const value = ownValue(parameters, name) ?? parameter.default ?? null;
    if (value !== null) given.push([name, value]);
  }
  return Object.fromEntries(given);
}

interface Search {
  readonly invocation: Invocation;
  readonly scope: Scope;
  readonly warnings: string[];
}

interface Found {
  readonly value?: Json;
  readonly isCallers?: boolean;
  readonly isUnknown?: boolean;
  readonly issue?: { readonly code: string; readonly message: string };
}

function findValue(parameter: ParameterDefinition, search: Search): Found {
  const { name } = parameter;
  const { parameters, givenSecrets, definition, unknowns } = search.invocation;
  const isSecret = parameter.type === "secret";
  if (isSecret && Object.hasOwn(givenSecrets, name)) return { value: givenSecrets[name]!, isCallers: true };
  const given = ownValue(parameters, name);
  if (given !== undefined && unknowns?.names.has(name)) return { value: given, isUnknown: true };
  if (given !== undefined) return { ...(isSecret ? secretValue(given, search) : { value: given }), isCallers: true };
  const mapping = ownValue(definition.input_mapping, name);
  if (mapping !== undefined) {
    if (isSecret && secretReference(mapping) !== undefined) return secretValue(mapping, search);
    const rendered = render(mapping, search);
    if (rendered.issue || rendered.value !== undefined) return rendered;
  }
  if (isSecret) {
    const stored = search.invocation.storedSecrets.get(name);
    return stored === undefined ? {} : { value: stored };
  }
  return parameter.default === undefined || parameter.default === null ? {} : { value: parameter.default };
}

function secretValue(value: Json, { invocation }: Search): Found {
  const reference = secretReference(value);
  if (reference === undefined) return { value };
  const stored = invocation.storedSecrets.get(reference);
  if (stored !== undefined) return { value: stored };
  return { issue: { code: "secret_not_found", message: `The credential store has no secret ${shown(reference)}.` } };
}

/** A mapping that yields null is absent. */
function render(mapping: Json, { scope, warnings, invocation: { unknowns } }: Search): Found {
  const { value, issue } = renderSafely(mapping, { scope, standIn: unknowns?.standIn }, warnings);
  if (issue) return { issue };
  if (value === null || value === undefined) return {};
  return unknowns && readsUnknown(mapping, unknowns) ? { value, isUnknown: true } : { value };
}

/** Whether a value's templates read something that can't be known. */
export function readsUnknown(value: Json, { standIn, names }: Unknowns): boolean {
  return templatePaths(value).some((path) => standIn(path) !== undefined || names.has(nameIn(path) ?? ""));
}

/** What templates are rendered with. */
export interface Reading {
  readonly scope: Scope;
  readonly standIn: StandIn | undefined;
}

/** Renders a checked template; what it can't hold (too large, too deep) is an issue and no exception. */
export function renderSafely(
  template: Json,
  { scope, standIn }: Reading,
  warnings: string[],
): { readonly value?: Json; readonly issue?: { readonly code: string; readonly message: string } } {
  try {
    const rendered = renderTemplate(template, scope, standIn);
    warnings.push(...rendered.warnings);
    return { value: rendered.value };
  } catch (error) {
    if (!(error instanceof DomainFailure)) throw error;
    const [first] = error instanceof ValidationFailure ? error.issues : [];
    return { issue: { code: first?.code ?? error.code, message: first?.message ?? error.message } };
  }
}

/** A present value of one's own; null and what is inherited are none. */
function ownValue(object: JsonObject | undefined, name: string): Json | undefined {
  return object && Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}
