import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { isJsonObject, type Json, type JsonObject } from "../../src/core/json.ts";
import { playbookDocumentSchema } from "../../src/playbooks/document-schema.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { check, codes, graph, plan, vendorExample } from "./playbook-text.ts";
import { wholeLanguage } from "./whole-language.ts";

const defaults = { onFailure: "abort", maxRetries: 0, retryDelayMs: 0 };
const pinnedTo = (actionRef: string, parameters = {}) => ({ type: "ACTION", actionRef, actionId: "a", parameters });

describe("the vendor's complete example", () => {
  test("has nothing wrong, and is warned of what it may not mean", () => {
    const { issues, warnings } = check(vendorExample);
    expect(issues).toEqual([]);
    expect(codes(warnings)).toEqual([
      // The approval's two hours are all that the run has, too.
      "outlasts_timeout $.steps[2].timeout",
      "fallback_skipped $.steps[3]",
      "fallback_skipped $.steps[4]",
    ]);
  });

  test("compiles to the plan that its author means: a good remediation pages nobody", () => {
    const { steps, ...head } = plan(vendorExample);
    expect(head).toEqual({
      key: "pb-critical-vuln-response",
      version: "1.2.0",
      first: "check-asset-criticality",
      maxRetries: 0,
      timeoutMs: 7_200_000,
    });
    expect([...steps.values()]).toEqual([
      {
        ...defaults,
        id: "check-asset-criticality",
        name: "Check Asset Criticality",
        type: "CONDITION",
        expression: "{{ finding.asset.tags }} contains 'production'",
        onTrue: "parallel-response",
        onFalse: "low-priority-notify",
        onSuccess: "low-priority-notify",
      },
      {
        ...defaults,
        id: "parallel-response",
        name: "Immediate Response",
        type: "PARALLEL",
        branches: ["slack-alert", "jira-ticket"],
        join: "ALL",
        onSuccess: "approve-remediation",
      },
      {
        ...defaults,
        ...pinnedTo("act-slack-notify", {
          channel: "#incidents",
          message: "CRITICAL: {{ finding.title }} on {{ finding.asset.name }}",
        }),
        id: "slack-alert",
        name: "slack-alert",
        parallel: "parallel-response",
        onSuccess: null,
      },
      {
        ...defaults,
        ...pinnedTo("act-jira-create", { project: "SEC", summary: "[CRITICAL] {{ finding.title }}" }),
        id: "jira-ticket",
        name: "jira-ticket",
        parallel: "parallel-response",
        onSuccess: null,
      },
      {
        ...defaults,
        id: "approve-remediation",
        name: "Approve Remediation",
        type: "APPROVAL",
        approvers: [{ role: "security_lead" }],
        timeoutMs: 7_200_000,
        onSuccess: "remediate",
        onTimeout: { step: "low-priority-notify" },
      },
      {
        ...defaults,
        ...pinnedTo("act-auto-patch", { finding_id: "{{ finding.id }}" }),
        id: "remediate",
        name: "Execute Remediation",
        onSuccess: null,
        onFailure: { step: "escalate" },
      },
      {
        ...defaults,
        ...pinnedTo("act-pagerduty-alert", { service: "infrastructure", urgency: "high" }),
        id: "escalate",
        name: "Escalate to Engineering",
        onSuccess: null,
      },
      {
        ...defaults,
        ...pinnedTo("act-email-notify", { to: "secops@example.com", subject: "Finding: {{ finding.title }}" }),
        id: "low-priority-notify",
        name: "Low Priority Notification",
        onSuccess: null,
      },
    ]);
  });

  test("has this graph", () => {
    expect(graph(vendorExample)).toEqual([
      "check-asset-criticality -TRUE-> parallel-response",
      "check-asset-criticality -FALSE-> low-priority-notify",
      "check-asset-criticality -FAILURE?-> end",
      "parallel-response -BRANCH-> slack-alert",
      "slack-alert -JOIN-> parallel-response",
      "parallel-response -BRANCH-> jira-ticket",
      "jira-ticket -JOIN-> parallel-response",
      "parallel-response -SUCCESS-> approve-remediation",
      "parallel-response -FAILURE?-> end",
      "approve-remediation -SUCCESS-> remediate",
      "approve-remediation -FAILURE?-> end",
      "approve-remediation -TIMEOUT-> low-priority-notify",
      "remediate -SUCCESS?-> end",
      "remediate -FAILURE-> escalate",
      "escalate -SUCCESS?-> end",
      "escalate -FAILURE?-> end",
      "low-priority-notify -SUCCESS?-> end",
      "low-priority-notify -FAILURE?-> end",
    ]);
  });
});

describe("a playbook with every field", () => {
  test("uses each that the schema knows, live actions left aside", () => {
    const known = Object.entries(playbookDocumentSchema["$defs"] as JsonObject)
      .filter(([name]) => !/live_?action/i.test(name))
      .flatMap(([, schema]) => (isJsonObject(schema) ? Object.keys((schema["properties"] ?? {}) as JsonObject) : []));
    const top = Object.keys(playbookDocumentSchema["properties"] as JsonObject);
    const used = new Set(keysOf(readSource(wholeLanguage).document ?? {}));
    expect([...top, ...known].filter((field) => !used.has(field))).toEqual([]);
  });

  test("has nothing wrong, and every field is in its plan", () => {
    const { issues, warnings } = check(wholeLanguage);
    expect(issues).toEqual([]);
    expect(codes(warnings)).toEqual([
      "failure_hidden $.steps[1].branches[1].on_failure",
      "no_effect $.steps[1].branches[2].timeout",
      "no_effect $.steps[2].timeout",
    ]);
    const { steps, ...head } = plan(wholeLanguage);
    expect(head).toMatchObject({ version: "2.10.3", first: "is-serious", maxRetries: 2, timeoutMs: 172_800_000 });
    expect(steps.get("is-serious")).toMatchObject({
      onTrue: "gather",
      onFalse: "tell",
      onFailure: "abort",
      maxRetries: 1,
      retryDelayMs: 2_000,
    });
    expect(steps.get("gather")).toMatchObject({
      join: "ANY",
      timeoutMs: 93_600_000,
      maxRetries: 1,
      retryDelayMs: 60_000,
      onSuccess: "pause",
      onFailure: { step: "tell" },
    });
    expect(steps.get("look-up")).toMatchObject({
      parallel: "gather",
      actionRef: "look-up@1.2",
      maxRetries: 2,
      retryDelayMs: 10_000,
      timeoutMs: 30_000,
      onInterrupt: "fail",
    });
    expect(steps.get("page")).toMatchObject({ name: "page", onFailure: "continue", parameters: {} });
    expect(steps.get("a-day")).toMatchObject({ type: "DELAY", durationMs: 86_400_000, timeoutMs: 90_000_000 });
    expect(steps.get("ask-owner")).toMatchObject({
      approvers: [{ role: "asset_owner" }, { user: "alice" }],
      message: "May {{ finding.asset.name }} be patched?",
      onFailure: "abort",
      onTimeout: "abort",
    });
    expect(steps.get("pause")).toMatchObject({ durationMs: 5_400_000, onSuccess: "ask", onFailure: "retry" });
    expect(steps.get("ask")).toMatchObject({
      onSuccess: "patch",
      onFailure: { step: "tell" },
      onTimeout: { step: "tell" },
      timeoutMs: 28_800_000,
    });
    expect(steps.get("patch")).toMatchObject({
      onSuccess: null,
      onFailure: { step: "tell" },
      maxRetries: 3,
      retryDelayMs: 300_000,
      onInterrupt: "retry",
    });
  });
});

describe("the document's schema", () => {
  const validate = new Ajv2020({ strict: true }).compile(playbookDocumentSchema);

  test("accepts both in a standard validator that takes every word of it strictly", () => {
    for (const text of [vendorExample, wholeLanguage]) {
      expect(validate(readSource(text).document)).toBe(true);
      expect(validate({ ...readSource(text).document, stpes: [] })).toBe(false);
    }
  });

  test("knows what a branch is by its type, without the other checks", () => {
    const withBranch = (branch: Json) =>
      validate({
        ...readSource(vendorExample).document,
        steps: [{ id: "p", name: "p", type: "parallel", branches: [branch] }],
      });
    const approval = { id: "b", type: "approval", approvers: [{ role: "r" }] };
    const right: Json[] = [
      { id: "b", action_ref: "x" },
      { id: "b", type: "action", action_ref: "x", on_failure: "continue" },
      { id: "b", type: "delay", duration: "5m" },
      { ...approval, timeout: "1h", on_timeout: "abort" },
      { id: "b", type: "live_action", capability: "isolate_host", target: "h", dry_run: true },
      { id: "b", action_type: "ISOLATE_HOST", target: "h" },
    ];
    const wrong: Json[] = [
      "b",
      { id: "b" },
      { action_ref: "x" },
      { id: "b", action_ref: "x", on_success: "end" },
      { id: "b", action_ref: "x", on_failure: "other" },
      { id: "b", action_ref: "x", duration: "5m" },
      { id: "b", type: "delay", duration: "5m", action_ref: "x" },
      { id: "b", type: "delay" },
      { ...approval, approvers: [] },
      { ...approval, approvers: [{ role: "r", user: "u" }] },
      { ...approval, on_timeout: "other" },
      { id: "b", type: "condition", expression: "true" },
    ];
    expect(right.map(withBranch)).toEqual(right.map(() => true));
    expect(wrong.map(withBranch)).toEqual(wrong.map(() => false));
  });

  test("describes every property, which is what an editor shows", () => {
    expect(undescribed(playbookDocumentSchema, "$")).toEqual([]);
  });
});

/** Every key of a value, however deep. */
function keysOf(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return isJsonObject(value) ? Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)]) : [];
}

/** Where a property has no description, of its own or of what it refers to. `true` says that another place describes it. */
function undescribed(schema: Json, path: string): string[] {
  if (Array.isArray(schema)) return schema.flatMap((item: Json, index) => undescribed(item, `${path}[${index}]`));
  if (!isJsonObject(schema)) return [];
  return Object.entries(schema).flatMap(([key, value]) => {
    // What an `if` asks is no property that anybody writes.
    if (key === "if") return [];
    if (key !== "properties" || !isJsonObject(value)) return undescribed(value, `${path}.${key}`);
    return Object.entries(value).flatMap(([name, property]) => [
      ...(isDescribed(property) ? [] : [`${path}.${name}`]),
      ...undescribed(property, `${path}.${name}`),
    ]);
  });
}

function isDescribed(property: Json): boolean {
  if (property === true) return true;
  if (!isJsonObject(property)) return false;
  if (typeof property["description"] === "string" && property["description"].length > 5) return true;
  const [, name] = /^#\/\$defs\/(\w+)$/.exec(String(property["$ref"])) ?? [];
  return name !== undefined && isDescribed((playbookDocumentSchema["$defs"] as JsonObject)[name] ?? null);
}
