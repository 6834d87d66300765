import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { conditionIssues, evaluateConditions } from "../../src/expressions/conditions.ts";
import { eventScope, scopeRoots } from "../../src/expressions/scope.ts";

const scope = eventScope({
  type: "finding.new",
  data: { finding: { severity: "high", source_ip: "203.0.113.9", cvss: 7.5, tags: ["web"], level: "{{ env.x }}" } },
});
const rule = (field: string, op: string, value: unknown) => ({ field: `{{ trigger.alert.${field} }}`, op, value });
const all = (...rules: unknown[]) => ({ operator: "and", rules });
const any = (...rules: unknown[]) => ({ operator: "or", rules });

describe("conditions", () => {
  test.each([
    [rule("severity", "gte", 7), true],
    [rule("severity", "gt", 7), false],
    [rule("severity", "lt", "critical"), true],
    [rule("severity", "lte", "medium"), false],
    [rule("severity", "eq", "high"), true],
    [rule("severity", "neq", "high"), false],
    [rule("source_ip", "not_in", ["10.0.0.0/8"]), true],
    [rule("source_ip", "in", ["203.0.113.0/24"]), true],
    [rule("tags", "contains", "web"), true],
    [rule("source_ip", "matches", "^203\\."), true],
    [rule("cvss", "eq", "{{ finding.cvss }}"), true],
    [rule("cvss", "in", [1, "{{ finding.cvss }}"]), true],
    [rule("level", "eq", "x{{ trigger.alert.severity }}"), false],
  ])("with the rule %j hold: %j", (single, expected) => {
    expect(conditionIssues(all(single), "$.conditions", scopeRoots)).toEqual([]);
    expect(evaluateConditions(all(single), scope)).toEqual({ value: expected, warnings: [] });
  });

  const [yes, no, unknown] = [
    rule("severity", "eq", "high"),
    rule("severity", "eq", "low"),
    rule("owner", "neq", "bob"),
  ];

  test.each([
    [all(yes, yes), true],
    [all(yes, no), false],
    [any(no, yes), true],
    [any(no, no), false],
    [all(yes, any(no, all(yes))), true],
    [all(yes, unknown), false],
    [any(unknown, yes), true],
    [any(unknown, no), false],
    [all(rule("owner", "not_in", ["bob"])), false],
  ])("joined as %j hold: %j", (group, expected) => {
    expect(evaluateConditions(group, scope).value).toBe(expected);
  });

  test("that stay unknown do not hold and say why, without values", () => {
    const { value, warnings } = evaluateConditions(all(rule("source_ip", "gt", 5), rule("owner", "eq", "bob")), scope);
    expect(value).toBe(false);
    expect(warnings.join("\n")).toMatch(/source_ip.*\n.*owner finds nothing/s);
    expect(warnings.join()).not.toMatch(/203|bob/);
  });

  test("are checked all at once, each problem with its place", () => {
    const group = all(
      { field: "severity", op: "eq", value: 1 },
      { field: "{{ oops", op: "is", value: 1 },
      rule("x", "matches", "(a"),
      rule("x", "gt", [1]),
      rule("x", "in", 5),
      { field: "{{ x.y }}", op: "eq" },
      { operator: "xor", rules: [] },
      { field: "{{ finding.x }}", operator: "eq", value: "{{ a b }}" },
      "text",
    );
    expect(conditionIssues(group, "$.conditions", scopeRoots).map(({ path, code }) => `${path} ${code}`)).toEqual([
      "$.conditions.rules[0].field wrong_type",
      "$.conditions.rules[1].field template_syntax",
      "$.conditions.rules[1].op unknown_operator",
      "$.conditions.rules[2].value pattern_syntax",
      "$.conditions.rules[3].value wrong_type",
      "$.conditions.rules[4].value wrong_type",
      "$.conditions.rules[5].field unknown_root",
      "$.conditions.rules[5].value wrong_type",
      "$.conditions.rules[6].operator unknown_operator",
      "$.conditions.rules[6].rules wrong_type",
      "$.conditions.rules[7] unknown_field",
      "$.conditions.rules[7].value template_syntax",
      "$.conditions.rules[7].op unknown_operator",
      "$.conditions.rules[8] wrong_type",
    ]);
  });

  test("are bounded in depth and number", () => {
    const deep = Array.from({ length: 50_000 }).reduce<unknown>((inner) => all(inner), yes);
    expect(conditionIssues(deep, "$").map(({ code }) => code)).toEqual(["too_deep"]);
    expect(evaluateConditions(deep, scope).value).toBe(false);
    const many = all(...Array.from({ length: limits.conditionRulesMax + 50 }, () => yes));
    expect(conditionIssues(many, "$").map(({ code }) => code)).toEqual(["too_many_rules"]);
  });

  test("of any shape are checked and evaluated without an exception, and what passes the check can be read", () => {
    const json = fc.jsonValue();
    const op = fc.constantFrom(
      "eq",
      "neq",
      "gt",
      "gte",
      "lt",
      "lte",
      "in",
      "not_in",
      "contains",
      "matches",
      "constructor",
    );
    const single = fc.record({
      field: fc.constantFrom("{{ finding.cvss }}", "{{ a.b }}", "x{{ finding.tags }}", 1),
      op,
      value: json,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          json,
          fc.record({ operator: fc.constantFrom("and", "or", "nor"), rules: fc.array(fc.oneof(single, json)) }),
        ),
        (group) => {
          const issues = conditionIssues(group, "$");
          const { value, warnings } = evaluateConditions(group, scope);
          expect(typeof value).toBe("boolean");
          if (issues.length === 0) expect(warnings.join()).not.toContain("can't be read");
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
