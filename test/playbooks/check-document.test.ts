import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import type { Issue } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import { playbookDocumentSchema } from "../../src/playbooks/document-schema.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { action, check, codes, condition, playbook, vendorExample } from "./playbook-text.ts";

/** `code line:column` of each issue. */
function places(issues: readonly Issue[]): string[] {
  return issues.map(({ code, line, column }) => `${code} ${line}:${column}`);
}

describe("the document's schema", () => {
  test("works in a standard validator, in strict mode as well, and knows every step type", () => {
    const validate = new Ajv2020({ strict: true }).compile(playbookDocumentSchema);
    expect(validate(readSource(vendorExample).document)).toBe(true);
    expect(validate({ ...readSource(vendorExample).document, stpes: [] })).toBe(false);
    const later = `- {id: d, name: d, type: delay, duration: 1h30m}
- {id: l, name: l, type: live_action, capability: isolate_host, target: "{{ asset.name }}", dry_run: true}
- {id: a, name: a, type: action, action_type: ISOLATE_HOST, target: host-1}`;
    expect(validate(readSource(playbook(later)).document)).toBe(true);
  });
});

describe("a playbook's document", () => {
  test("with nothing wrong has no issues", () => {
    expect(check(vendorExample).issues).toEqual([]);
    expect(
      check(playbook(`${condition("a")}\n${action("b", "timeout: 1h30m, retry_delay: 10s, max_retries: 3")}`)),
    ).toEqual({
      issues: [],
      warnings: [],
    });
  });

  test("with ten mistakes is told all ten, each with its path, line and column", () => {
    const text = `id: pb bad
name: Ten
version: 1.0
trigger:
  event: finding.nwe
  conditions:
    severity: {$inn: [high]}
timeout_minutes: 0
steps:
  - id: next
    name: A
    type: action
    action_ref: block-ip
    retry_delay: 10x
  - id: b
    name: B
    type: condition
    expression: "{{ finding.cvss }} >="
    on_true: c
  - id: cc
    type: action
    action_ref: block-ip
    paramters: {}
    on_failure: cc
`;
    expect(check(text).issues.map(({ code, path, line, column }) => `${line}:${column} ${code} ${path}`)).toEqual([
      "1:5 wrong_format $.id",
      "3:10 wrong_type $.version",
      "5:10 not_allowed $.trigger.event",
      "7:16 unknown_operator $.trigger.conditions.severity.$inn",
      "8:18 out_of_bounds $.timeout_minutes",
      "10:9 reserved_word $.steps[0].id",
      "14:18 wrong_format $.steps[0].retry_delay",
      "18:39 expression_syntax $.steps[1].expression",
      "19:14 dangling_reference $.steps[1].on_true",
      "20:5 required $.steps[2].name",
      "23:5 unknown_field $.steps[2].paramters",
      "24:17 circular_reference $.steps[2].on_failure",
    ]);
  });

  test("in JSON has the same problems at its own places", () => {
    const text = '{\n "id": "x",\n "name": 5,\n "version": "1.0",\n "trigger": {"event": "manual"},\n "steps": []\n}';
    expect(places(check(text).issues)).toEqual(["wrong_type 3:10", "wrong_format 4:13", "out_of_bounds 6:11"]);
  });

  test("is told how to write what YAML took for another type", () => {
    const { issues, warnings } = check(
      `id: 1.10\nname: a\nversion: 1.0\ntrigger: {event: manual}\nenabled: no\nsteps: []\n`,
    );
    const messages = Object.fromEntries(issues.map(({ path, message }) => [path, message]));
    expect(messages["$.version"]).toContain('put it in quotes, "1.0"');
    expect(messages["$.id"]).toContain('"1.10"');
    expect(messages["$.enabled"]).toContain("write false");
    expect(warnings).toEqual([]);
  });

  test("is told the nearest known name", () => {
    const { issues } = check(playbook(action("a", "max_retry: 1, on_sucess: end, on_failure: abrot"), "tag: [x]\n"));
    const hints = Object.fromEntries(issues.map(({ path, message }) => [path, /mean "(\w+)"/.exec(message)?.[1]]));
    expect(hints).toEqual({
      "$.tag": "tags",
      "$.steps[0].max_retry": "max_retries",
      "$.steps[0].on_sucess": "on_success",
      "$.steps[0].on_failure": "abort",
    });
  });

  test("has ids that are unique over steps and branches, and none of the reserved words", () => {
    const branches = "- {id: p, name: p, type: parallel, branches: [{id: a, action_ref: x}, {id: a, action_ref: y}]}";
    expect(codes(check(playbook(`${action("a")}\n${branches}`)).issues)).toEqual([
      "duplicate_id $.steps[1].branches[0].id",
      "duplicate_id $.steps[1].branches[1].id",
    ]);
    for (const word of ["next", "end", "abort", "continue", "retry", "__proto__", "a b", "x".repeat(129)]) {
      expect(check(playbook(action(word))).issues.map(({ path }) => path)).toEqual(["$.steps[0].id"]);
    }
  });

  test("refers to steps that exist, by words that fit", () => {
    const steps = `${action("notify-team", "on_success: notify-taem")}
${action("b", "on_success: abort, on_failure: next")}
${condition("c", "on_true: retry, on_false: nowhere-at-all")}`;
    const { issues } = check(playbook(steps));
    expect(codes(issues)).toEqual([
      "dangling_reference $.steps[0].on_success",
      "wrong_word $.steps[1].on_success",
      "wrong_word $.steps[1].on_failure",
      "wrong_word $.steps[2].on_true",
      "dangling_reference $.steps[2].on_false",
    ]);
    expect(issues[0]?.message).toContain('"notify-team"');
  });

  test("bounds its numbers, texts and lists", () => {
    const head = `max_retries: 101\ntimeout_minutes: 1.5\ntags: [a, a]\n`;
    const steps = action("a", "max_retries: -1, timeout: 0s, retry_delay: 99999999d, on_interrupt: stop");
    expect(codes(check(playbook(steps, head)).issues)).toEqual([
      "out_of_bounds $.max_retries",
      "wrong_type $.timeout_minutes",
      "out_of_bounds $.tags",
      "out_of_bounds $.steps[0].max_retries",
      "out_of_bounds $.steps[0].timeout",
      "duration_syntax $.steps[0].retry_delay",
      "not_allowed $.steps[0].on_interrupt",
    ]);
    const many = Array.from({ length: 1_001 }, (_, i) => action(`s${i}`)).join("\n");
    expect(codes(check(playbook(many)).issues)).toEqual(["out_of_bounds $.steps"]);
  });

  test("has no more patterns than can be compiled while others wait", () => {
    const asking = (count: number, id: string) => {
      const asked = Array.from({ length: count }, (_, index) => `{{ finding.ip }} matches "${id}${index}"`);
      return `- {id: ${id}, name: C, type: condition, expression: '${asked.join(" or ")}'}`;
    };
    const quarter = limits.documentPatternsMax / 4;
    const first = ["a", "b", "c"].map((id) => asking(quarter, id));
    expect(codes(check(playbook([...first, asking(quarter, "d")].join("\n"))).issues)).toEqual([]);
    const more = check(playbook([...first, asking(quarter + 1, "d")].join("\n")));
    expect(codes(more.issues)).toEqual(["too_many_patterns $.steps[3].expression"]);
  });

  test("has templates that can be read, with the place of what can't", () => {
    const steps = `- id: a
  name: a
  type: action
  action_ref: block-ip
  parameters:
    ip: "{{ finding.ip }"
    list: ["ok {{ finding.title }}", 'x {{ constructor.constructor("x")() }}']
    raw: {$secret: other-name}`;
    expect(check(playbook(steps)).issues.map(({ code, path, line }) => `${code} ${path} ${line}`)).toEqual([
      "template_syntax $.steps[0].parameters.ip 12",
      "template_syntax $.steps[0].parameters.list[1] 13",
    ]);
  });

  test("has a trigger with known operators, and a schedule with its cron", () => {
    const trigger = `trigger:
  event: schedule
  timezone: Mars/Olympus
  conditions:
    severity: {$in: high, $regex: "(a"}
    $or: []
    $nor: [{a: 1}]
    $and: [{score: {$gte: 7, $lt: [1]}}, {$not: {a: {$exists: 1}}}]
    asset: {name: x}
    asset_tags: {$contains: production, $not: {$eq: 1}}
`;
    const text = playbook(action("a")).replace("trigger:\n  event: manual\n", trigger);
    const { issues, warnings } = check(text);
    expect(codes(issues)).toEqual([
      "required $.trigger.cron",
      "unknown_time_zone $.trigger.timezone",
      "wrong_type $.trigger.conditions.severity.$in",
      "pattern_syntax $.trigger.conditions.severity.$regex",
      "wrong_type $.trigger.conditions.$or",
      "unknown_operator $.trigger.conditions.$nor",
      "wrong_type $.trigger.conditions.$and[0].score.$lt",
      "wrong_type $.trigger.conditions.$and[1].$not.a.$exists",
    ]);
    // None of these fields is a tick's.
    expect(codes(warnings).filter((warning) => !warning.startsWith("unknown_path"))).toEqual([
      "whole_object $.trigger.conditions.asset",
    ]);
    const fine = text.replace(
      /trigger:[\s\S]*?(?=steps:)/,
      "trigger: {event: schedule, cron: '0 8 * * 1', timezone: Europe/Berlin}\n",
    );
    expect(check(fine).issues).toEqual([]);
  });
});
