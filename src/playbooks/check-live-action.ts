import { secretReference } from "../actions/definition.ts";
import { isJsonObject, type Json } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { isTemplate } from "../expressions/template.ts";
import { capabilities } from "../live-actions/capabilities.ts";
import type { Findings } from "./findings.ts";
import { isLegacySpelling, type StepSource } from "./step-source.ts";

/** What a live action is to do, in lower case; undefined where the document does not say. */
export function capabilityOf(step: StepSource): string | undefined {
  const written = isLegacySpelling(step) ? step.fields["action_type"] : step.fields["capability"];
  return typeof written === "string" ? written.toLowerCase() : undefined;
}

/** Where its parameters stand: the older spelling may call them as an action does. */
export function paramsFieldOf(step: StepSource): "params" | "parameters" {
  return isLegacySpelling(step) && step.fields["params"] === undefined ? "parameters" : "params";
}

/** Checks what the schema can't say of a live action. Which vendors there are is known when it runs, since plugins bring some. */
export function checkLiveAction(step: StepSource, findings: Findings): void {
  checkCapability(step, findings);
  if (isLegacySpelling(step)) checkSpelling(step, findings);
  const field = paramsFieldOf(step);
  const params = step.fields[field];
  for (const [name, value] of isJsonObject(params) ? Object.entries(params) : []) {
    if (!isLiteralCredential(name, value)) continue;
    const message = `A credential stands here for all to read; put it into the credential store under this name, or write {"$secret": "name"}.`;
    findings.warning({ path: childPath(`${step.path}.${field}`, name), code: "literal_secret", message });
  }
}

function checkCapability(step: StepSource, findings: Findings): void {
  const path = `${step.path}.${isLegacySpelling(step) ? "action_type" : "capability"}`;
  const capability = capabilityOf(step);
  if (capability === undefined || findings.hasProblem(path) || capabilities.has(capability)) return;
  const message = `${shown(capability)} is none of the known capabilities: it fails unless a plugin brings it.${nameHint(capability, capabilities.keys())}`;
  findings.warning({ path, code: "unknown_capability", message });
}

function checkSpelling({ path, fields }: StepSource, findings: Findings): void {
  const warn = (field: string, message: string) =>
    findings.warning({ path: `${path}.${field}`, code: "no_effect", message, part: "key" });
  if (fields["action_ref"] !== undefined) {
    warn("action_ref", "action_type makes this a live action, which has no action_ref: the action is not executed.");
  }
  if (fields["params"] !== undefined && fields["parameters"] !== undefined) {
    warn("parameters", "params and parameters are the same in a live action, and params counts.");
  }
}

const credentialName =
  /(^|_)(token|secret|password|passwd|passphrase|credentials?|api_?key|access_key|private_key|client_id|external_id)(_|$)/i;

/** True for a text under a name that sounds like that of a credential: what adapters there are is not known here. */
function isLiteralCredential(name: string, value: Json): boolean {
  if (secretReference(value) !== undefined || typeof value !== "string" || value === "") return false;
  return looksLikeCredential(name) && !isTemplate(value);
}

export function looksLikeCredential(name: string): boolean {
  return credentialName.test(name);
}
