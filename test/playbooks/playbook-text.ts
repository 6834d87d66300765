import type { Issue } from "../../src/core/failures.ts";
import { checkDocument } from "../../src/playbooks/check-document.ts";
import { compilePlan } from "../../src/playbooks/compile-plan.ts";
import type { Pin } from "../../src/playbooks/entities.ts";
import { graphOf } from "../../src/playbooks/graph.ts";
import type { Plan } from "../../src/playbooks/plan.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { stepSources, withBranches } from "../../src/playbooks/step-source.ts";

/** A playbook around some steps, which are written without indentation. */
export function playbook(steps: string, head = ""): string {
  const indented = steps.trim().replaceAll("\n", "\n  ");
  return `id: pb-test\nname: Test\nversion: "1.0.0"\ntrigger:\n  event: manual\n${head}steps:\n  ${indented}\n`;
}

export function check(text: string): { issues: readonly Issue[]; warnings: readonly Issue[] } {
  return checkDocument(readSource(text));
}

/** `code path` of each issue, in the order of the text. */
export function codes(issues: readonly Issue[]): string[] {
  return issues.map(({ code, path }) => `${code} ${path}`);
}

/** The plan of a text that has nothing wrong, each action pinned to itself. */
export function plan(text: string): Plan {
  const source = readSource(text);
  const { issues } = checkDocument(source);
  if (!source.document || issues.length > 0) throw new Error(`Not valid: ${JSON.stringify(issues)}`);
  const pins: Pin[] = withBranches(stepSources(source.document))
    .filter(({ type }) => type === "action")
    .map(({ id, fields }) => ({ stepId: id ?? "", actionRef: String(fields["action_ref"]), actionId: "a" }));
  return compilePlan(source.document, pins);
}

export function graph(text: string): string[] {
  const { edges } = graphOf(readSource(text).document ?? {});
  return edges.map(({ from, to, on, isImplicit }) => `${from} -${on}${isImplicit ? "?" : ""}-> ${to ?? "end"}`);
}

/** An action step in one line. */
export function action(id: string, more = ""): string {
  return `- {id: ${id}, name: ${id}, type: action, action_ref: block-ip${more ? `, ${more}` : ""}}`;
}

export function condition(id: string, more = ""): string {
  return `- {id: ${id}, name: ${id}, type: condition, expression: "{{ finding.cvss }} >= 9"${more ? `, ${more}` : ""}}`;
}

/** The vendor's complete example, its indentation restored. */
export const vendorExample = `id: pb-critical-vuln-response
name: Critical Vulnerability Response
version: "1.2.0"
description: Automated triage and response for critical vulnerabilities.
trigger:
  event: finding.new
  conditions:
    severity: critical
steps:
  - id: check-asset-criticality
    name: Check Asset Criticality
    type: condition
    expression: "{{ finding.asset.tags }} contains 'production'"
    on_true: parallel-response
    on_false: low-priority-notify
  - id: parallel-response
    name: Immediate Response
    type: parallel
    branches:
      - id: slack-alert
        action_ref: act-slack-notify
        parameters:
          channel: "#incidents"
          message: "CRITICAL: {{ finding.title }} on {{ finding.asset.name }}"
      - id: jira-ticket
        action_ref: act-jira-create
        parameters:
          project: SEC
          summary: "[CRITICAL] {{ finding.title }}"
    join: all
    on_success: approve-remediation
  - id: approve-remediation
    name: Approve Remediation
    type: approval
    approvers:
      - role: security_lead
    timeout: 2h
    on_timeout: low-priority-notify
    on_success: remediate
  - id: remediate
    name: Execute Remediation
    type: action
    action_ref: act-auto-patch
    parameters:
      finding_id: "{{ finding.id }}"
    on_failure: escalate
  - id: escalate
    name: Escalate to Engineering
    type: action
    action_ref: act-pagerduty-alert
    parameters:
      service: infrastructure
      urgency: high
  - id: low-priority-notify
    name: Low Priority Notification
    type: action
    action_ref: act-email-notify
    parameters:
      to: secops@example.com
      subject: "Finding: {{ finding.title }}"
on_failure: abort
timeout_minutes: 120
`;
