import { argumentViolations } from "../actions/check-argument.ts";
import { type ActionDefinition, type ParameterDefinition, secretReference } from "../actions/definition.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { isTemplate } from "../expressions/template.ts";
import type { Findings } from "./findings.ts";
import type { StepSource } from "./step-source.ts";

/**
 * Checks a step's parameters against what its action declares, as far as it is certain to fail whenever the step runs: names
 * that are not declared, required ones that nothing gives, and written-out values that break a rule. What comes out of a
 * template, the definition's `input_mapping` or the credential store is not known here.
 */
export function checkArguments(step: StepSource, definition: ActionDefinition, findings: Findings): void {
  const given = isJsonObject(step.fields["parameters"]) ? step.fields["parameters"] : {};
  const path = `${step.path}.parameters`;
  const declared = new Map(definition.parameters.map((parameter) => [parameter.name, parameter]));
  for (const [name, value] of Object.entries(given)) {
    const parameter = declared.get(name);
    if (parameter) checkValue(parameter, value, { path: childPath(path, name), findings });
    else {
      const message = `${definition.name} has no parameter ${shown(name)}.${nameHint(name, declared.keys())}`;
      findings.problem({ path: childPath(path, name), code: "unknown_parameter", message, part: "key" });
    }
  }
  for (const parameter of definition.parameters) {
    if (!isMissing(parameter, given, definition)) continue;
    const message = `${definition.name} needs the parameter ${shown(parameter.name)}, and nothing gives it.`;
    findings.problem({ path: childPath(path, parameter.name), code: "missing_parameter", message });
  }
}

function checkValue(
  parameter: ParameterDefinition,
  value: Json,
  { path, findings }: { path: string; findings: Findings },
): void {
  if (value === null || (typeof value === "string" && isTemplate(value))) return;
  if (parameter.type === "secret") {
    if (secretReference(value) !== undefined) return;
    if (typeof value === "string") {
      const message = `A secret stands here for all to read; put it into the credential store and write {"$secret": "name"}.`;
      findings.warning({ path, code: "literal_secret", message });
      return;
    }
  }
  for (const { code, message } of argumentViolations(parameter, value)) findings.problem({ path, code, message });
}

/** Nothing can give it: not the step, not the mapping, not the credential store, not a default. */
function isMissing(
  { name, type, required, default: fallback }: ParameterDefinition,
  given: JsonObject,
  { input_mapping }: ActionDefinition,
): boolean {
  return (
    required === true && type !== "secret" && fallback == null && given[name] == null && input_mapping?.[name] == null
  );
}
