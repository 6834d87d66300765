import type { Issue } from "../core/failures.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { checkFlow } from "./check-flow.ts";
import { checkPaths } from "./check-paths.ts";
import { checkReferences } from "./check-references.ts";
import { checkSteps } from "./check-steps.ts";
import { checkWaiting } from "./check-waiting.ts";
import { Findings } from "./findings.ts";
import { routesOf, strategyOf } from "./routes.ts";
import { schemaIssues } from "./schema-issues.ts";
import type { Source } from "./source.ts";
import { type StepSource, stepSources, withBranches } from "./step-source.ts";
import { checkTrigger } from "./trigger.ts";

/** What is wrong and what is odd in a playbook's source, each with its path, line and column, in the order of the text. */
export interface CheckedDocument {
  /** At most `issuesMax`; the document can be compiled when there are none. */
  readonly issues: readonly Issue[];
  readonly warnings: readonly Issue[];
}

/** Checks all that can be told from the document alone: every problem at once. What its actions are is checked by `checkPins`. */
export function checkDocument(source: Source): CheckedDocument {
  const findings = new Findings(source.map);
  findings.add(source.issues);
  if (source.document) checkWhole(source.document, findings);
  return { issues: findings.issues(), warnings: findings.warnings(source.warnings) };
}

function checkWhole(document: JsonObject, findings: Findings): void {
  findings.add(schemaIssues(document, findings.map));
  const { trigger } = document;
  if (isJsonObject(trigger)) checkTrigger(trigger, findings);
  checkStrategy(document, findings);
  const steps = stepSources(document);
  if (isTooLong(steps, findings) || hasTooManyPatterns(steps, findings)) return;
  checkSteps(steps, findings);
  checkWaiting(document, steps, findings);
  const routes = routesOf(steps, strategyOf(document));
  const isSound = checkReferences(steps, routes, findings);
  if (isSound && steps.every(({ id }) => id !== undefined)) {
    checkFlow(document, steps, routes, findings);
    checkPaths(steps, routes, findings);
  }
}

/** More steps than may be: said by the schema, unless it is the branches that are too many. Then nothing more is looked at. */
function isTooLong(steps: readonly StepSource[], findings: Findings): boolean {
  const count = withBranches(steps).length;
  if (count <= limits.playbookStepsMax) return false;
  const message = `A playbook has at most ${limits.playbookStepsMax} steps, branches included; these are ${count}.`;
  findings.problem({ path: "$.steps", code: "out_of_bounds", message });
  return true;
}

/** Nor is it then: looking at a pattern compiles it. */
function hasTooManyPatterns(steps: readonly StepSource[], findings: Findings): boolean {
  let count = 0;
  for (const { path, fields } of withBranches(steps)) {
    const { expression } = fields;
    if (typeof expression === "string") count += expression.match(/\bmatches\b/g)?.length ?? 0;
    if (count <= limits.documentPatternsMax) continue;
    const message = `The expressions of a playbook have at most ${limits.documentPatternsMax} patterns together (matches).`;
    findings.problem({ path: `${path}.expression`, code: "too_many_patterns", message });
    return true;
  }
  return false;
}

function checkStrategy(document: JsonObject, findings: Findings): void {
  const isRetried = document["on_failure"] === "retry";
  const retries = document["max_retries"];
  const code = "no_effect";
  if (isRetried && !retries) {
    const message = "on_failure: retry without max_retries runs the playbook once and then aborts; write how often.";
    findings.warning({ path: "$.on_failure", code, message });
  } else if (!isRetried && typeof retries === "number" && retries > 0) {
    const message = "max_retries only counts with on_failure: retry.";
    findings.warning({ path: "$.max_retries", code, message, part: "key" });
  }
}
