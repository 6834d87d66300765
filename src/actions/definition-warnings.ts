import type { Issue } from "../core/failures.ts";
import { isJsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import type { PackageFile } from "../executors/executor.ts";
import { isTemplate } from "../expressions/template.ts";
import { variableOf } from "../scripts/script-command.ts";
import { argumentViolations } from "./check-argument.ts";
import type { ActionDefinition } from "./definition.ts";
import { invocationPlan, type Sending } from "./invocation-plan.ts";

/** What the author of a good definition should know. */
export function definitionWarnings(definition: ActionDefinition, files: readonly PackageFile[]): Issue[] {
  const { sending, secretNames } = invocationPlan(definition);
  return [
    ...(sending ? [...sendingWarnings(definition, sending, secretNames), ...credentialWarnings(definition)] : []),
    ...(definition.executor.type === "remote" && files.length > 0 ? [unusedFiles] : []),
    ...(definition.executor.type === "remote" ? [] : environmentWarnings(definition)),
    ...literalWarnings(definition),
  ];
}

const unusedFiles: Issue = {
  path: "$.files",
  code: "unused_files",
  message: "A remote executor runs nothing of the package; the files are kept all the same.",
};

function sendingWarnings(
  { executor, parameters }: ActionDefinition,
  { place, names, mappedNames, headerNames, targetNames, method }: Sending,
  secretNames: ReadonlySet<string>,
): Issue[] {
  const told = (name: string): string => (secretNames.has(name) ? `${name} (a secret)` : name);
  const carried = names ?? [...mappedNames];
  const pieces: string[] = [];
  if (carried.length > 0)
    pieces.push(`${carried.map(told).join(", ")} in the ${place}${place === "body" ? " (JSON)" : ""}`);
  for (const [header, used] of headerNames)
    if (used.size > 0) pieces.push(`${[...used].map(told).join(", ")} in the header ${header}`);
  if (targetNames.size > 0) pieces.push(`${[...targetNames].map(told).join(", ")} in the URL`);
  const sent = new Set([...carried, ...targetNames, ...[...headerNames.values()].flatMap((used) => [...used])]);
  const unsent = parameters.map(({ name }) => name).filter((name) => !sent.has(name));
  const warnings: Issue[] = [];
  if (pieces.length > 0) {
    const message = `Sends by ${method} to ${shown(executor.target)}: ${pieces.join("; ")}.`;
    warnings.push({ path: "$.executor", code: "sends_parameters", message });
  }
  for (const name of unsent) {
    const why =
      secretNames.has(name) && place === "query"
        ? "secrets never go into a query; use it in a header"
        : "no mapping, header or target uses it";
    const path = `$.parameters[${parameters.findIndex((parameter) => parameter.name === name)}]`;
    warnings.push({ path, code: "not_sent", message: `${name} is sent nowhere: ${why}.` });
  }
  return warnings;
}

const credentialHeader =
  /^(authorization|proxy-authorization|cookie)$|(^|[-_])(api[-_]?key|auth|token|secret|password|passwd|credential|signature|session|key)s?([-_]|$)/i;
const credentialArgument =
  /[?&](api[-_]?key|[a-z_-]*token|secret|password|passwd|sig|signature|key|code)=[^&#{\s]{4,}/i;

function credentialWarnings({ executor }: ActionDefinition): Issue[] {
  const instead =
    "Definitions are shown as they were registered: declare a parameter of type secret and write {{ parameters.name }}.";
  const warnings = Object.entries(executor.headers ?? {})
    .filter(([name, value]) => typeof value === "string" && looksLikeCredential(name, value))
    .map(([name]) => ({
      path: childPath("$.executor.headers", name),
      code: "literal_credential",
      message: `This looks like a credential in plain text. ${instead}`,
    }));
  if (credentialArgument.test(executor.target)) {
    const message = `The query of this URL seems to hold a credential in plain text. ${instead}`;
    warnings.push({ path: "$.executor.target", code: "literal_credential", message });
  }
  return warnings;
}

function looksLikeCredential(name: string, value: string): boolean {
  if (isTemplate(value) || value.trim() === "") return false;
  return (
    credentialHeader.test(name) || /^(bearer|basic|token|apikey|splunk|ssws|genie(key)?)\s+\S{4,}/i.test(value.trim())
  );
}

/** A shell script reads its arguments as `PARAM_<NAME>`, and there are fewer such names than parameters. */
function environmentWarnings({ parameters }: ActionDefinition): Issue[] {
  const seen = new Map<string, string>();
  return parameters.flatMap(({ name }, index) => {
    const variable = variableOf(name);
    const first = seen.get(variable);
    if (first === undefined) {
      seen.set(variable, name);
      return [];
    }
    const message = `To a shell script ${name} and ${first} are the same variable, ${variable}.`;
    return [{ path: `$.parameters[${index}].name`, code: "same_variable", message }];
  });
}

/** A literal in `input_mapping` that its parameter refuses: every call that leaves the parameter out would be refused. */
function literalWarnings(definition: ActionDefinition): Issue[] {
  const { byName } = invocationPlan(definition);
  return Object.entries(definition.input_mapping ?? {}).flatMap(([name, value]) => {
    const parameter = byName.get(name);
    const isWorkedOut = value === null || (typeof value === "string" && isTemplate(value));
    if (!parameter || isWorkedOut || (parameter.type === "secret" && isJsonObject(value))) return [];
    return argumentViolations(parameter, value).map(({ message }) => ({
      path: childPath("$.input_mapping", name),
      code: "mapping_refused",
      message: `The parameter refuses this value. ${message}`,
    }));
  });
}
