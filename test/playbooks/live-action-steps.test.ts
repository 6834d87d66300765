import { describe, expect, test } from "vitest";
import { createBuiltinRegistry } from "../../src/live-actions/builtins.ts";
import { looksLikeCredential } from "../../src/playbooks/check-live-action.ts";
import { graphOf } from "../../src/playbooks/graph.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { check, codes, graph, plan, playbook } from "./playbook-text.ts";

const isolate = "type: live_action, capability: isolate_host, target: '{{ finding.host }}'";
const step = (fields: string, id = "a") => `- {id: ${id}, name: ${id}, ${fields}}`;
const issuesOf = (fields: string) => codes(check(playbook(step(fields))).issues);
const warningsOf = (fields: string) => codes(check(playbook(step(fields))).warnings);

describe("a live action in a playbook", () => {
  test("compiles to what is asked of whom", () => {
    const more = "vendor_id: crowdstrike, params: {note: '{{ finding.title }}'}, dry_run: true, timeout: 4h";
    expect(plan(playbook(step(`${isolate}, ${more}`))).steps.get("a")).toEqual({
      ...{ id: "a", name: "a", type: "LIVE_ACTION", onSuccess: null, onFailure: "abort" },
      ...{ maxRetries: 0, retryDelayMs: 0, timeoutMs: 14_400_000 },
      ...{ capability: "isolate_host", vendorId: "crowdstrike", target: "{{ finding.host }}" },
      ...{ params: { note: "{{ finding.title }}" }, dryRun: true },
    });
  });

  test("means the same in the older spelling, as a step and as a branch, and is the same in the graph", () => {
    const older = "type: action, action_type: ISOLATE_HOST, target: '{{ finding.host }}'";
    const steps = (one: string) =>
      playbook(`${step(one)}
- id: p
  name: p
  type: parallel
  branches: [{id: b, ${one}}, {id: c, ${one.replace("type: action, ", "")}, params: {note: x}}]`);
    expect(plan(steps(older)).steps).toEqual(plan(steps(isolate)).steps);
    expect(graph(steps(older))).toEqual(graph(steps(isolate)));
    const { nodes = [] } = graphOf(readSource(steps(older)).document ?? {});
    expect(nodes.map(({ type }) => type)).toEqual(["LIVE_ACTION", "PARALLEL", "LIVE_ACTION", "LIVE_ACTION"]);
    expect(check(steps(older)).warnings).toEqual([]);
  });

  test("takes the parameters of an action as its params in the older spelling, and tells what does not count", () => {
    const older = "type: action, action_type: BLOCK_IP, target: 10.0.0.7";
    const params = (fields: string) => (plan(playbook(step(`${older}, ${fields}`))).steps.get("a") as never)["params"];
    expect(params("parameters: {note: x}")).toEqual({ note: "x" });
    expect(params("parameters: {note: x}, params: {note: y}")).toEqual({ note: "y" });
    expect(warningsOf(`${older}, action_ref: block-ip, parameters: {a: 1}, params: {a: 2}`)).toEqual([
      "no_effect $.steps[0].action_ref",
      "no_effect $.steps[0].parameters",
    ]);
  });

  test("names a capability and a vendor as they are written, and what it is done to", () => {
    expect(issuesOf("type: live_action, capability: Isolate-Host, vendor_id: Crowd Strike, target: h")).toEqual([
      "wrong_format $.steps[0].capability",
      "wrong_format $.steps[0].vendor_id",
    ]);
    expect(issuesOf("type: action, action_type: ISOLATE-HOST, target: h")).toEqual([
      "wrong_format $.steps[0].action_type",
    ]);
    expect(issuesOf("type: live_action, capability: isolate_host")).toEqual(["required $.steps[0].target"]);
    expect(issuesOf("type: action, action_type: ISOLATE_HOST")).toEqual(["required $.steps[0].target"]);
    expect(issuesOf(`${isolate}, dry_run: 'yes'`)).toEqual(["wrong_type $.steps[0].dry_run"]);
  });

  test("may have a capability that a plugin brings, with a warning that tells the nearest known", () => {
    const { issues, warnings } = check(playbook(step("type: action, action_type: ISOLATE_HOSTS, target: h")));
    expect(issues).toEqual([]);
    expect(codes(warnings)).toEqual(["unknown_capability $.steps[0].action_type"]);
    expect(warnings[0]?.message).toContain('"isolate_host"');
  });

  test("holds templates in its target and params, which are checked", () => {
    expect(issuesOf("type: live_action, capability: block_ip, target: '{{ finding. }}', params: {a: ['{{']}")).toEqual([
      "template_syntax $.steps[0].target",
      "template_syntax $.steps[0].params.a[0]",
    ]);
    const later = "type: live_action, capability: block_ip, target: '{{ steps.a.output.ip }}'";
    const { warnings } = check(playbook(`${step(isolate)}\n${step(later, "b")}`));
    expect(codes(warnings)).toEqual(["unknown_path $.steps[1].target"]);
    expect(warnings[0]?.message).toContain("The output of a live action step has requestId, status");
  });

  test("is warned of a credential that stands in it for all to read", () => {
    const params =
      "params: {okta_api_token: abc, cs_client_secret: {$secret: cs}, splunk_token: '{{ env.t }}', token: 1}";
    expect(warningsOf(`${isolate}, ${params}`)).toEqual(["literal_secret $.steps[0].params.okta_api_token"]);
    expect(codes(check(playbook(step(`${isolate}, ${params}`))).issues)).toEqual([]);
    const secrets = [...createBuiltinRegistry().credentials().values()].filter(({ isSecret }) => isSecret);
    expect(secrets.filter(({ name }) => !looksLikeCredential(name))).toEqual([]);
    expect(["target", "key_path", "secretary", "region", "tokens_per_day"].filter(looksLikeCredential)).toEqual([]);
  });
});
