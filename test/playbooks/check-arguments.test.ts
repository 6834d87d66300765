import { describe, expect, test } from "vitest";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { checkArguments } from "../../src/playbooks/check-arguments.ts";
import { Findings } from "../../src/playbooks/findings.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { stepSources } from "../../src/playbooks/step-source.ts";
import { action, codes, playbook } from "./playbook-text.ts";

const definition: ActionDefinition = {
  name: "block-ip",
  version: "1.0.0",
  type: "remediation",
  description: "Blocks an address.",
  parameters: [
    { name: "ip_address", type: "string", required: true, validation: { pattern: "^[0-9.]+$" } },
    { name: "duration_hours", type: "integer", required: true, default: 24, validation: { min: 1, max: 720 } },
    { name: "direction", type: "enum", required: true, validation: { allowed_values: ["in", "both"] } },
    { name: "api_key", type: "secret", required: true },
    { name: "note", type: "string" },
  ],
  input_mapping: { direction: "both" },
  executor: { type: "local", target: "block.sh" },
};

function told(parameters: string): { issues: string[]; warnings: string[] } {
  const source = readSource(playbook(action("a", `parameters: ${parameters}`)));
  const findings = new Findings(source.map);
  for (const step of stepSources(source.document ?? {})) checkArguments(step, definition, findings);
  return { issues: codes(findings.issues()), warnings: codes(findings.warnings()) };
}

describe("a step's parameters", () => {
  test("are right as long as nothing is certain to fail", () => {
    expect(told('{ip_address: "{{ finding.ip }}"}')).toEqual({ issues: [], warnings: [] });
    expect(told("{ip_address: 10.0.0.1, duration_hours: 48, api_key: {$secret: fw}, note: null}").issues).toEqual([]);
    expect(told('{ip_address: "{{ finding.ip }}", duration_hours: "{{ finding.hours }}"}').issues).toEqual([]);
  });

  test("are declared by the action, and those it needs are there", () => {
    expect(told("{ip_adress: 10.0.0.1}").issues).toEqual([
      "missing_parameter $.steps[0].parameters.ip_address",
      "unknown_parameter $.steps[0].parameters.ip_adress",
    ]);
    expect(told("{ip_address: null}").issues).toEqual(["missing_parameter $.steps[0].parameters.ip_address"]);
  });

  test("keep the rules where they are written out, without any coercion", () => {
    expect(told('{ip_address: nonsense, duration_hours: "24", direction: out, api_key: 5, note: [x]}').issues).toEqual([
      "pattern_mismatch $.steps[0].parameters.ip_address",
      "wrong_type $.steps[0].parameters.duration_hours",
      "not_allowed $.steps[0].parameters.direction",
      "wrong_type $.steps[0].parameters.api_key",
      "wrong_type $.steps[0].parameters.note",
    ]);
  });

  test("are warned of a secret that is written out", () => {
    expect(told("{ip_address: 10.0.0.1, api_key: hunter2-hunter2}")).toEqual({
      issues: [],
      warnings: ["literal_secret $.steps[0].parameters.api_key"],
    });
  });
});
