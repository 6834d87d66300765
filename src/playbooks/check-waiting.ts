import { isJsonObject, type JsonObject } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { parseDuration } from "../expressions/durations.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { isTemplate } from "../expressions/template.ts";
import type { Findings } from "./findings.ts";
import { branchesOf, type StepSource } from "./step-source.ts";

/** A time that ends what waits within it. */
interface Bound {
  readonly ms: number;
  /** Whose it is, as in `playbook's timeout_minutes`. */
  readonly of: string;
}

/** Checks the steps that wait, for a time or for people: whether their times fit into each other, and who is asked. */
export function checkWaiting(document: JsonObject, steps: readonly StepSource[], findings: Findings): void {
  const minutes = document["timeout_minutes"];
  const run: Bound[] = typeof minutes === "number" ? [{ ms: minutes * 60_000, of: "playbook's timeout_minutes" }] : [];
  for (const step of steps) {
    checkOne(step, run, findings);
    const ms = durationOf(step, "timeout");
    const within = ms === undefined ? run : [{ ms, of: "parallel step's timeout" }, ...run];
    for (const branch of branchesOf(step)) checkOne(branch, within, findings);
  }
}

function checkOne(step: StepSource, bounds: readonly Bound[], findings: Findings): void {
  if (step.type === "delay") checkDelay(step, bounds, findings);
  if (step.type === "approval") {
    checkApproval(step, bounds, findings);
    checkApprovers(step, findings);
  }
}

function checkDelay(step: StepSource, bounds: readonly Bound[], findings: Findings): void {
  const duration = durationOf(step, "duration");
  const timeout = durationOf(step, "timeout");
  const path = `${step.path}.duration`;
  if (duration === undefined) return;
  if (timeout !== undefined && timeout > 0 && timeout <= duration) {
    const message = "The timeout of a delay is longer than its duration, or the delay would never end; leave it out.";
    findings.problem({ path: `${step.path}.timeout`, code: "timeout_too_short", message });
  }
  if (duration === 0) findings.warning({ path, code: "no_effect", message: "This waits for nothing." });
  warnOutlasting("This delay", { path, ms: duration, bounds }, findings);
}

function checkApproval(step: StepSource, bounds: readonly Bound[], findings: Findings): void {
  const ms = durationOf(step, "timeout");
  const path = `${step.path}.timeout`;
  if (step.fields["timeout"] === undefined && bounds.length === 0) {
    const message =
      "Without a timeout here or a timeout_minutes of the playbook, a run waits for ever for people to decide.";
    findings.warning({ path, code: "approval_without_timeout", message });
  }
  if (ms !== undefined) warnOutlasting("The time to decide", { path, ms, bounds }, findings);
}

/** Roles and names are compared as they are written: a template would be a name that nobody has. */
function checkApprovers({ path, fields }: StepSource, findings: Findings): void {
  const approvers = Array.isArray(fields["approvers"]) ? fields["approvers"] : [];
  for (const [index, approver] of approvers.entries()) {
    for (const [kind, name] of isJsonObject(approver) ? Object.entries(approver) : []) {
      if (typeof name !== "string" || !isTemplate(name)) continue;
      const message = `An approver's ${kind} is no template: nobody has this very name.`;
      const where = childPath(`${path}.approvers[${index}]`, kind);
      findings.warning({ path: where, code: "not_a_template", message });
    }
  }
}

function warnOutlasting(
  what: string,
  { path, ms, bounds }: { path: string; ms: number; bounds: readonly Bound[] },
  findings: Findings,
): void {
  const bound = bounds.find((one) => ms >= one.ms);
  if (!bound) return;
  const message = `${what} is never over: the ${bound.of} is not longer, and ends it first.`;
  findings.warning({ path, code: "outlasts_timeout", message });
}

/** Milliseconds; undefined where there is none that can be read, which is a problem of its own. */
function durationOf({ fields }: StepSource, field: string): number | undefined {
  const value = fields[field];
  if (typeof value !== "string") return undefined;
  try {
    return parseDuration(value);
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) return undefined;
    throw error;
  }
}
