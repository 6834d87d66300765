import { AttemptRefused } from "../core/attempt-refused.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { ExecutionError } from "../executors/executor.ts";
import { readUrl } from "../executors/remote-request.ts";
import type { StandIn } from "../expressions/template.ts";
import { templatePaths } from "../expressions/template.ts";
import { outlineCommand } from "../scripts/script-command.ts";
import { createMask, type Mask } from "../secrets/mask.ts";
import { buildCall, type CallInputs, type PreparedCall } from "./build-call.ts";
import { nameIn } from "./check-templates.ts";
import type { Invocation, Unknowns } from "./collect-arguments.ts";
import type { ActionDefinition } from "./definition.ts";
import { invocationPlan } from "./invocation-plan.ts";
import { type Applying, checkInvocation, type Prepared, type Shown } from "./prepare-invocation.ts";

/** What would become of an invocation. */
export type Simulated =
  | (Shown & { readonly kind: "simulated"; readonly output: SimulatedOutput })
  /** Its executor would refuse to begin. */
  | (Shown & { readonly kind: "failed"; readonly error: ExecutionError })
  | Extract<Prepared, { kind: "skipped" | "refused" }>;

/** The request or the command that would be sent, every secret in it as `***`. */
export type SimulatedOutput = JsonObject & {
  readonly simulated: true;
  readonly executor: ActionDefinition["executor"]["type"];
  /** Parameters that can't be known, and are shown as they are written. */
  readonly unknown?: readonly string[];
};

/**
 * Works out one invocation as `prepareInvocation` does, and shows its call instead of handing it over. Pure. Nothing of the package is
 * read, so a script that names its program in its first line is shown without that.
 */
export function simulateInvocation(invocation: Invocation): Simulated {
  const checked = checkInvocation(invocation);
  if (checked.kind !== "applies") return checked;
  const { input, warnings } = checked;
  const { definition } = invocation;
  try {
    const shown =
      definition.executor.type === "opservant" ? agentCall(definition, checked) : callOf(invocation, checked);
    const all = [...new Set([...warnings, ...shown.warnings])];
    if (!shown.call) return { kind: "refused", issues: shown.issues, input, warnings: all };
    const unknown = [...checked.unknownNames];
    const call = masked(shown.call, createMask(checked.secrets));
    const output = { simulated: true, executor: definition.executor.type, ...call } as const;
    return { kind: "simulated", output: unknown.length === 0 ? output : { ...output, unknown }, input, warnings: all };
  } catch (error) {
    if (error instanceof AttemptRefused) return { kind: "failed", error: error.error, input, warnings };
    throw error;
  }
}

interface ShownCall {
  readonly call?: JsonObject;
  readonly issues: ReturnType<typeof buildCall>["issues"];
  readonly warnings: readonly string[];
}

function agentCall({ executor }: ActionDefinition, checked: Applying): ShownCall {
  const { target, entry = null } = executor;
  return { call: { target, entry, stdin: { ...checked.input } }, issues: [], warnings: [] };
}

// Built twice: with the secrets, to find what the executor would refuse, and without them, to be shown.
function callOf(invocation: Invocation, { values, unknownNames }: Applying): ShownCall {
  const { definition, scope, storedSecrets, unknowns } = invocation;
  const { secretNames } = invocationPlan(definition);
  const real = { definition, values, scope, storedSecrets, standIn: standInOf(values, unknownNames, unknowns) };
  const built = buildCall(real);
  if (!built.call) return { issues: built.issues, warnings: built.warnings };
  refuseAsExecutor(built.call, real);
  const shownValues = new Map([...values].map(([name, value]) => [name, secretNames.has(name) ? "***" : value]));
  const standIn = standInOf(shownValues, unknownNames.union(secretNames), unknowns);
  const shownSecrets = new Map([...storedSecrets.keys()].map((name) => [name, "***"]));
  const { call } = buildCall({ definition, values: shownValues, scope, storedSecrets: shownSecrets, standIn });
  if (!call) throw new Error("A call that can be built can be shown.");
  if (call.type === "remote") return { ...built, call: { request: requestOf(call) } };
  if (call.type === "opservant") throw new Error("A call for an agent is shown as it is.");
  const { argv, isGuess } = outlineCommand(call);
  const message = `What runs ${call.target} stands in its first line, and is not looked up here.`;
  return { issues: [], warnings: isGuess ? [message] : [], call: { command: argv, stdin: { ...call.arguments } } };
}

/** Texts of parameters stand where their values would be encoded or checked. */
function standInOf(values: Applying["values"], names: ReadonlySet<string>, unknowns: Unknowns | undefined): StandIn {
  return (path) => {
    const name = nameIn(path);
    if (name === undefined) return unknowns?.standIn(path);
    const value = names.has(name) ? values.get(name) : undefined;
    return typeof value === "string" ? value : undefined;
  };
}

/** @throws AttemptRefused as the executor would answer. */
function refuseAsExecutor(call: PreparedCall, { definition, standIn }: Required<CallInputs>): void {
  if (call.type === "local") outlineCommand(call);
  if (call.type !== "remote") return;
  if (templatePaths(definition.executor.target).every((path) => standIn?.(path) === undefined)) readUrl(call.url);
}

function requestOf({ method, url, headers, query, body }: Extract<PreparedCall, { type: "remote" }>): JsonObject {
  return { method, url, headers, ...(query ? { query } : {}), ...(body === undefined ? {} : { body }) };
}

/** A secret's value may stand elsewhere than in its parameter. The names that are ours stay. */
function masked(call: JsonObject, mask: Mask): JsonObject {
  return Object.fromEntries(
    Object.entries(call).map(([name, value]): [string, Json] => {
      return [name, name === "request" ? masked(value as JsonObject, mask) : mask.json(value)];
    }),
  );
}
