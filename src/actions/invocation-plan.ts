import type { Json } from "../core/json.ts";
import { templatePaths } from "../expressions/template.ts";
import { nameIn } from "./check-templates.ts";
import type { ActionDefinition, ParameterDefinition } from "./definition.ts";

/** What is the same for every invocation of a version. */
export interface InvocationPlan {
  readonly byName: ReadonlyMap<string, ParameterDefinition>;
  readonly secretNames: ReadonlySet<string>;
  /** Where a remote executor sends things; undefined for other executors. */
  readonly sending?: Sending;
}

export interface Sending {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly place: "query" | "body";
  /**
   * Parameters that are sent there under their own names. Undefined when `input_mapping` renames: then it says by itself what is
   * sent, and nothing else is.
   */
  readonly names: readonly string[] | undefined;
  /** Parameters that `input_mapping` puts into the body or query where it renames. */
  readonly mappedNames: ReadonlySet<string>;
  /** Parameters in each header, and in the target. */
  readonly headerNames: ReadonlyMap<string, ReadonlySet<string>>;
  readonly targetNames: ReadonlySet<string>;
}

const plans = new WeakMap<ActionDefinition, InvocationPlan>();

/** The plan of a checked definition, worked out once. */
export function invocationPlan(definition: ActionDefinition): InvocationPlan {
  const known = plans.get(definition);
  if (known) return known;
  const byName = new Map(definition.parameters.map((parameter) => [parameter.name, parameter]));
  const secretNames = new Set(definition.parameters.filter(({ type }) => type === "secret").map(({ name }) => name));
  const isRemote = definition.executor.type === "remote";
  const plan = { byName, secretNames, ...(isRemote ? { sending: planSending(definition, secretNames) } : {}) };
  plans.set(definition, plan);
  return plan;
}

function planSending(
  { executor, parameters, input_mapping }: ActionDefinition,
  secretNames: ReadonlySet<string>,
): Sending {
  const method = executor.method ?? "POST";
  const place = method === "GET" || method === "DELETE" ? "query" : "body";
  const headerNames = new Map(
    Object.entries(executor.headers ?? {}).map(([header, value]) => [header, parametersIn(value)]),
  );
  const targetNames = parametersIn(executor.target);
  const declared = new Set(parameters.map(({ name }) => name));
  const mapping = Object.entries(input_mapping ?? {});
  const isRenaming = mapping.some(([key]) => !declared.has(key));
  const used = new Set([...targetNames, ...[...headerNames.values()].flatMap((names) => [...names])]);
  const own = [...declared].filter((name) => !used.has(name) && !(place === "query" && secretNames.has(name)));
  const mappedNames = new Set(
    mapping.flatMap(([key, value]) => (declared.has(key) ? [key] : [...parametersIn(value)])),
  );
  return { method, place, names: isRenaming ? undefined : own, mappedNames, headerNames, targetNames };
}

function parametersIn(value: Json): ReadonlySet<string> {
  return new Set(templatePaths(value).flatMap((path) => nameIn(path) ?? []));
}
