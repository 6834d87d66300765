import type { Issue } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { evaluateConditions } from "../expressions/conditions.ts";
import { createMask } from "../secrets/mask.ts";
import { buildCall, type PreparedCall } from "./build-call.ts";
import { type Collected, collectArguments, headerSecrets, type Invocation, readsUnknown } from "./collect-arguments.ts";
import type { ActionDefinition } from "./definition.ts";
import { invocationPlan } from "./invocation-plan.ts";

export type { Invocation } from "./collect-arguments.ts";
export { neededSecrets } from "./collect-arguments.ts";

export interface Shown {
  /** The arguments as the journal and the API show them: every secret is `***`, and its value nowhere else. */
  readonly input: JsonObject;
  readonly warnings: readonly string[];
}

/** What is to become of an invocation. */
export type Prepared =
  | (Shown & {
      readonly kind: "ready";
      readonly call: PreparedCall;
      /** Bound of one attempt. */
      readonly timeoutMs: number;
      /** Plain values of the secrets in the call: what the executor masks. */
      readonly secrets: readonly string[];
    })
  | (Shown & { readonly kind: "skipped" })
  | (Shown & { readonly kind: "refused"; readonly issues: readonly Issue[] });

/**
 * Works out one invocation: arguments, rules, conditions, and the call for the executor. Pure, and never throws for what the values
 * are.
 *
 * What the caller gave is checked first, since a mistake is one whether the action applies or not; then the conditions; and only
 * for an action that applies, what is missing or came from a mapping. A refusal names every violation.
 */
export function prepareInvocation(invocation: Invocation): Prepared {
  const checked = checkInvocation(invocation);
  if (checked.kind !== "applies") return checked;
  const { definition, scope, storedSecrets } = invocation;
  const { values, input, secrets, warnings } = checked;
  const built = buildCall({ definition, values, scope, storedSecrets });
  const all = [...new Set([...warnings, ...built.warnings])];
  if (!built.call) return { kind: "refused", issues: built.issues, input, warnings: all };
  return { kind: "ready", call: built.call, timeoutMs: timeoutOf(definition), input, secrets, warnings: all };
}

function timeoutOf(definition: ActionDefinition): number {
  return (definition.timeout_seconds ?? limits.timeoutSecondsDefault) * 1_000;
}

/** An invocation with the arguments that a call can be made of. */
export type Applying = Shown &
  Pick<Collected, "values" | "unknownNames"> & {
    readonly kind: "applies";
    /** Plain values of the secrets in it. */
    readonly secrets: readonly string[];
  };

/** Works out all of an invocation but its call. */
export function checkInvocation(invocation: Invocation): Applying | Extract<Prepared, { kind: "skipped" | "refused" }> {
  const collected = collectArguments(invocation);
  const { values, unknownNames, callerIssues, otherIssues } = collected;
  const secrets = secretValues(invocation, collected);
  const input = shownInput(invocation, values, secrets);
  const issues = [...callerIssues, ...otherIssues];
  if (callerIssues.length > 0) return { kind: "refused", issues, input, warnings: collected.warnings };
  const conditions = checkConditions(invocation, collected);
  const warnings = [...collected.warnings, ...conditions.warnings];
  if (!conditions.value) return { kind: "skipped", input, warnings };
  if (issues.length > 0) return { kind: "refused", issues, input, warnings };
  return { kind: "applies", values, unknownNames, input, secrets, warnings };
}

/** Conditions see the arguments, but no secrets. Where it can't be known whether they hold, it is as if they did. */
function checkConditions(
  { definition, scope, unknowns }: Invocation,
  { values, unknownNames }: Collected,
): { readonly value: boolean; readonly warnings: readonly string[] } {
  if (definition.conditions === undefined) return { value: true, warnings: [] };
  const { secretNames } = invocationPlan(definition);
  const plain = [...values].filter(([name]) => !secretNames.has(name) && !unknownNames.has(name));
  const answer = evaluateConditions(definition.conditions, { ...scope, parameters: Object.fromEntries(plain) });
  const isOpen =
    answer.isUnknown && unknowns && readsUnknown(definition.conditions, { ...unknowns, names: unknownNames });
  if (!isOpen) return answer;
  return { value: true, warnings: ["Whether its conditions hold can't be known: it is as if they did."] };
}

/** The given ones too that no parameter took: they must not be seen either. */
function secretValues(
  { definition, givenSecrets, storedSecrets }: Invocation,
  { values, unknownNames }: Collected,
): string[] {
  const { secretNames } = invocationPlan(definition);
  const inHeaders = headerSecrets(definition).map((name) => storedSecrets.get(name) ?? "");
  if (secretNames.size === 0 && Object.keys(givenSecrets).length === 0 && inHeaders.length === 0) return [];
  const used = [...secretNames]
    .filter((name) => !unknownNames.has(name))
    .map((name) => values.get(name))
    .filter((value) => typeof value === "string");
  return [...new Set([...used, ...inHeaders, ...Object.values(givenSecrets)])].filter((value) => value !== "");
}

function shownInput(
  { definition }: Invocation,
  values: ReadonlyMap<string, Json>,
  secrets: readonly string[],
): JsonObject {
  const { secretNames } = invocationPlan(definition);
  if (secretNames.size === 0 && secrets.length === 0) return Object.fromEntries(values);
  // A caller may have put a secret's value into another parameter as well.
  const mask = createMask(secrets);
  const entries = [...values].map(([name, value]) => [name, secretNames.has(name) ? "***" : mask.json(value)] as const);
  return Object.fromEntries(entries);
}
