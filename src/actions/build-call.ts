import type { Issue } from "../core/failures.ts";
import type { Json } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import type { LocalCall, OpservantCall, RemoteCall } from "../executors/executor.ts";
import type { Scope } from "../expressions/scope.ts";
import { type StandIn, templatePaths } from "../expressions/template.ts";
import { type Reading, renderSafely } from "./collect-arguments.ts";
import { type ActionDefinition, type SecretReference, secretReference } from "./definition.ts";
import { invocationPlan, type Sending } from "./invocation-plan.ts";
import { renderTarget } from "./remote-target.ts";

/** A call for an agent but for what only its run knows. Without an entry it is the package's only file. */
export type PreparedOpservantCall = Pick<
  OpservantCall,
  "type" | "agentId" | "arguments" | "parameterNames" | "secretNames"
> & { readonly entry?: string };

/** What an executor is asked to do. The files of a local call are added by who has them. */
export type PreparedCall = RemoteCall | Omit<LocalCall, "files"> | PreparedOpservantCall;

export interface CallInputs {
  readonly definition: ActionDefinition;
  /** Every argument, secrets included. */
  readonly values: ReadonlyMap<string, Json>;
  readonly scope: Scope;
  /** What the credential store has of `neededSecrets`. */
  readonly storedSecrets: ReadonlyMap<string, string>;
  /** What stands in for values that can't be known or may not be seen. */
  readonly standIn?: StandIn | undefined;
}

interface Building {
  readonly issues: Issue[];
  readonly warnings: string[];
}

/** The call for an executor, or why there can be none. No message quotes a value. */
export function buildCall(inputs: CallInputs): Building & { readonly call?: PreparedCall } {
  const { definition } = inputs;
  const { target, entry } = definition.executor;
  const plan = invocationPlan(definition);
  switch (definition.executor.type) {
    case "local":
      return { issues: [], warnings: [], call: { type: "local", target, ...scriptInputs(inputs) } };
    case "remote":
      return plan.sending ? remoteCall(inputs, plan.sending) : neverSent();
    case "opservant": {
      const named = entry === undefined ? {} : { entry };
      const call = { type: "opservant" as const, agentId: target, ...named, ...scriptInputs(inputs) };
      return { issues: [], warnings: [], call };
    }
    default:
      return definition.executor.type satisfies never;
  }
}

function scriptInputs({ definition, values }: CallInputs) {
  const { byName, secretNames } = invocationPlan(definition);
  return { arguments: Object.fromEntries(values), parameterNames: [...byName.keys()], secretNames };
}

function neverSent(): never {
  throw new Error("A remote executor has a plan of what it sends.");
}

function remoteCall(
  { definition, values, scope, storedSecrets, standIn }: CallInputs,
  sending: Sending,
): Building & { readonly call?: RemoteCall } {
  const building: Building = { issues: [], warnings: [] };
  const full: Scope = { ...scope, parameters: Object.fromEntries(values) };
  const reading = { scope: full, standIn };
  const target = renderTarget(definition.executor.target, full, standIn);
  if ("issue" in target) building.issues.push(target.issue);
  const headers = renderHeaders(definition.executor.headers ?? {}, { ...reading, storedSecrets }, building);
  const sent = sending.names
    ? ownArguments(sending.names, values)
    : mappedArguments(definition, { values, reading }, building);
  if ("issue" in target || building.issues.length > 0) return building;
  const carried = sending.place === "query" ? { query: sent } : { body: sent };
  return { ...building, call: { type: "remote", method: sending.method, url: target.url, headers, ...carried } };
}

function renderHeaders(
  headers: NonNullable<ActionDefinition["executor"]["headers"]>,
  reading: Reading & Pick<CallInputs, "storedSecrets">,
  { issues, warnings }: Building,
): Record<string, string> {
  const rendered: [string, string][] = [];
  for (const [name, template] of Object.entries(headers)) {
    const path = childPath("$.executor.headers", name);
    const { value, issue } = renderHeader(template, reading, warnings);
    if (issue) issues.push({ path, ...issue });
    // A header whose one value is absent is left out.
    if (issue || value === null || value === undefined) continue;
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    // RFC 9110, section 5.5; a line break would begin another header.
    if (hasStandIn(template, reading) || /^[\t\x20-\x7e\x80-\xff]*$/.test(text)) rendered.push([name, text]);
    else {
      const message = `The value of the header ${name} has a line break or another character that a header can't hold.`;
      issues.push({ path, code: "invalid_header", message });
    }
  }
  return Object.fromEntries(rendered);
}

function renderHeader(
  template: string | SecretReference,
  reading: Reading & Pick<CallInputs, "storedSecrets">,
  warnings: string[],
): ReturnType<typeof renderSafely> {
  const name = secretReference(template);
  if (name === undefined) return renderSafely(template, reading, warnings);
  const stored = reading.storedSecrets.get(name);
  if (stored !== undefined) return { value: stored };
  return { issue: { code: "secret_not_found", message: `The credential store has no secret ${shown(name)}.` } };
}

function hasStandIn(template: Json, { standIn }: Reading): boolean {
  return standIn !== undefined && templatePaths(template).some((path) => standIn(path) !== undefined);
}

function ownArguments(names: readonly string[], values: ReadonlyMap<string, Json>): Record<string, Json> {
  return Object.fromEntries(names.filter((name) => values.has(name)).map((name) => [name, values.get(name)!]));
}

/** Exactly the mapping: parameters by their own names as they are, other names as their templates say; what yields null is left out. */
function mappedArguments(
  definition: ActionDefinition,
  { values, reading }: { readonly values: ReadonlyMap<string, Json>; readonly reading: Reading },
  { issues, warnings }: Building,
): Record<string, Json> {
  const { byName } = invocationPlan(definition);
  const sent: [string, Json][] = [];
  for (const [key, template] of Object.entries(definition.input_mapping ?? {})) {
    const isOwn = byName.has(key);
    const { value, issue } = isOwn
      ? { value: values.get(key), issue: undefined }
      : renderSafely(template, reading, warnings);
    if (issue) issues.push({ path: childPath("$.input_mapping", key), ...issue });
    else if (value !== undefined && value !== null) sent.push([key, value]);
  }
  return Object.fromEntries(sent);
}
