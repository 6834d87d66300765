import type { Findings } from "./findings.ts";
import { onlyAsks, type StepSource } from "./step-source.ts";

/** Warns of fields that are right and do nothing where they stand. */
export function checkNoEffect(step: StepSource, findings: Findings): void {
  const warn: Warn = (field, message) =>
    findings.warning({ path: `${step.path}.${field}`, code: "no_effect", message, part: "key" });
  if (onlyAsks(step)) warnOfAsking(step, warn);
  else if (step.type === "delay") warnOfDelay(step, warn);
  else warnOfRetries(step, warn);
  if (step.type === "condition") warnOfCondition(step, warn);
  if (!["action", "live_action"].includes(step.type) && step.fields["on_interrupt"] !== undefined) {
    const message = "on_interrupt only counts for actions and live actions: nothing else is under way outside.";
    warn("on_interrupt", message);
  }
}

type Warn = (field: string, message: string) => void;

function warnOfRetries({ fields }: StepSource, warn: Warn): void {
  if (fields["on_failure"] === "retry" && fields["max_retries"] === 0) {
    warn("max_retries", "on_failure: retry with max_retries: 0 tries nothing again.");
  }
  if (fields["retry_delay"] !== undefined && fields["on_failure"] !== "retry" && !fields["max_retries"]) {
    warn("retry_delay", "retry_delay only counts with max_retries or on_failure: retry.");
  }
}

function warnOfCondition({ fields }: StepSource, warn: Warn): void {
  if (fields["on_success"] !== undefined) {
    warn(
      "on_success",
      "A condition goes on by on_true and on_false; on_success only counts after a failure under continue.",
    );
  }
  if (fields["timeout"] !== undefined) warn("timeout", "A condition takes no time: its timeout never counts.");
}

function warnOfAsking({ fields, parallel }: StepSource, warn: Warn): void {
  const { on_failure: rule, max_retries: retries } = fields;
  const instead = parallel ? "it fails the parallel step" : "it ends the run, unless on_failure names a step";
  if (rule === "continue") warn("on_failure", `A "no" never goes on: ${instead}.`);
  if (rule === "retry") warn("on_failure", `People are asked once: a "no" is not tried again, ${instead}.`);
  if (typeof retries === "number" && retries > 0) {
    warn("max_retries", `People are asked once: a "no" is not tried again, ${instead}.`);
  }
  if (fields["retry_delay"] !== undefined) warn("retry_delay", "People are asked once: nothing is tried again.");
}

function warnOfDelay({ fields }: StepSource, warn: Warn): void {
  for (const field of ["on_failure", "max_retries", "retry_delay"]) {
    if (fields[field] !== undefined) warn(field, `A delay does not fail: its ${field} never counts.`);
  }
  if (fields["timeout"] !== undefined) warn("timeout", "A delay ends by itself: its timeout never counts.");
}
