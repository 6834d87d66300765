import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { evaluateExpression, expressionPaths, parseExpression } from "../../src/expressions/expression.ts";
import { formatPath } from "../../src/expressions/paths.ts";
import { ExpressionSyntaxError } from "../../src/expressions/syntax-error.ts";

const scope = {
  finding: {
    cvss: 9.8,
    severity: "critical",
    title: "SQL injection in /login",
    exploited: true,
    owner: null,
    source_ip: "10.1.2.3",
    pattern: "(",
    asset: { tags: ["web", "production"] },
  },
  env: { internal: ["10.0.0.0/8"] },
};
const evaluate = (text: string) => evaluateExpression(parseExpression(text), scope);

describe("an expression", () => {
  test.each([
    ["{{ finding.cvss }} >= 9.0", true],
    ["{{ finding.cvss }} < -1e1", false],
    ["{{ finding.asset.tags }} contains 'production'", true],
    ["'production' in {{ finding.asset.tags }}", true],
    ["'staging' not in {{ finding.asset.tags }}", true],
    ["{{ finding.asset.tags }} not contains 'web'", false],
    ["{{ finding.severity }} >= 'high'", true],
    ["{{ finding.severity }} > 7", true],
    ["{{ finding.severity }} in ['high', \"critical\"]", true],
    ["{{ finding.cvss }} in [1, {{ finding.cvss }}]", true],
    ["{{ finding.source_ip }} in {{ env.internal }}", true],
    ["{{ finding.source_ip }} not in ['10.0.0.0/8', '192.168.0.0/16']", false],
    ["{{ finding.title }} matches '(?i)sql\\s+inj'", true],
    ["{{ finding.title }} matches '^/login'", false],
    ["{{ finding.title }} not matches 'xss'", true],
    ["{{ finding.exploited }}", true],
    ["!{{ finding.exploited }}", false],
    ["not not {{ finding.exploited }}", true],
    ["not {{ finding.cvss }} == 1", true],
    ["false or true and false", false],
    ["true || false && false", true],
    ["(true or true) and false", false],
    ["({{ finding.cvss }}) == (9.8)", true],
    ["{{ finding.owner }} == null", true],
    ["{{ finding.cvss }} != null", true],
    ["{{ finding.owner }} != 'bob'", true],
    ["{{ finding.title }} contains '{{config}}'", false],
    ["'it\\'s' == \"it's\"", true],
    ["'a\\\\b' == 'a\\b'", true],
    ["[1, 'a', [true, null]] == [1, 'a', [true, null]]", true],
    ["[] == []", true],
    ["  true\n", true],
  ])("%s is %j", (text, expected) => {
    expect(evaluate(text)).toEqual({ value: expected, warnings: [] });
  });

  test.each([
    ["{{ finding.nothing }} > 5", false],
    ["not ({{ finding.nothing }} > 5)", false],
    ["{{ finding.nothing }} != 'x'", false],
    ["'x' not in {{ finding.nothing }}", false],
    ["{{ finding.title }} > 5", false],
    ["{{ finding.cvss }} == '9.8'", false],
    ["{{ finding.cvss }}", false],
    ["{{ finding.owner }} and true", false],
    ["{{ finding.title }} matches {{ finding.pattern }}", false],
    ["{{ finding.nothing }} or true", true],
    ["not ({{ finding.nothing }} and false)", true],
    ["{{ finding.nothing }} == null", true],
  ])("%s is %j, with a warning about what is unknown", (text, expected) => {
    const { value, warnings } = evaluate(text);
    expect(value).toBe(expected);
    expect(warnings.length).toBeGreaterThan(0);
  });

  test("looks no further than it needs to", () => {
    expect(evaluate("{{ finding.owner }} != null and {{ finding.owner.name }} == 'x'")).toEqual({
      value: false,
      warnings: [],
    });
  });

  test("never puts a value into a warning", () => {
    const { warnings } = evaluate(
      "{{ finding.title }} > 5 or {{ finding.source_ip }} or {{ finding.title }} matches {{ finding.pattern }}",
    );
    expect(warnings.join()).not.toMatch(/SQL|10\.1/);
  });

  test("tells every path it reads", () => {
    const expression = parseExpression("{{ a.b }} > 1 and not ({{ c }} or 'x' in [1, {{ d[0] }}])");
    expect(expressionPaths(expression).map(formatPath)).toEqual(["a.b", "c", "d[0]"]);
  });
});

describe("an expression's syntax", () => {
  test.each([
    ["", 0],
    ["{{ finding.cvss }} >=", 21],
    ["{{ finding.cvss }} 5", 19],
    ["{{ finding.cvss }} = 5", 19],
    ["{{ finding.cvss }} & true", 19],
    ["finding.cvss > 5", 0],
    ["{{ a }} AND true", 8],
    ["True", 0],
    ["1 < {{ a }} < 3", 12],
    ["({{ a }} > 1) == true", 14],
    ["{{ a }} == 'x", 11],
    ["{{ a }} == [1, 2", 16],
    ["({{ a }}", 8],
    ["{{ a }})", 7],
    ["{{ a }} and", 11],
    ["{{ a }} not == 1", 8],
    ["{{ a }} == not true", 11],
    ["{{ a }} and 'x'", 12],
    ["5", 0],
    ["null", 0],
    ["{{ a }} == 10.0.0.1", 11],
    ["{{ a }} == 9abc", 11],
    ["{{ a }} == 1e999", 11],
    ["{{ a > 5 }}", 5],
    ["{{ constructor.constructor('return 1')() }} == 1", 3],
    ["{{ a.__proto__ }} == 1", 5],
    ["'{{ finding.severity }}' == 'high'", 0],
    ["{{ a }} matches '('", 17],
    ["{{ a }} matches 'a(?=b)'", 18],
    ["{{ a }} matches 5", 16],
    ["{{ a }}; process.exit()", 7],
  ])("refuses %s and says where", (text, offset) => {
    expect(() => parseExpression(text)).toThrow(ExpressionSyntaxError);
    expect(() => parseExpression(text)).toThrow(expect.objectContaining({ offset }));
  });

  test("is refused beyond its length and depth, and never overflows the stack", () => {
    expect(() => parseExpression(`true${" ".repeat(limits.expressionLengthMax)}`)).toThrow(ExpressionSyntaxError);
    for (const open of ["(", "[", "(not ", "[[("]) {
      const text = open.repeat(limits.expressionLengthMax / open.length);
      expect(() => parseExpression(text)).toThrow(/deep|early/);
    }
    expect(evaluateExpression(parseExpression(`${"not ".repeat(998)}true`), {}).value).toBe(true);
    expect(evaluateExpression(parseExpression(`${"true and ".repeat(440)}true`), {}).value).toBe(true);
    expect(evaluateExpression(parseExpression(`${"(".repeat(60)}true${")".repeat(60)}`), {}).value).toBe(true);
  });

  const pieces = fc.constantFrom(
    ..."{{ finding.cvss }}|{{ finding.asset.tags }}|{{ nothing }}|and|or|not|in|contains|matches|==|!=|>=|<|(|)|[|]|,|5|'high'|'10.0.0.0/8'|null|true|&&|!|{{|'|\\".split(
      "|",
    ),
  );

  test("never fails in another way than by a syntax error, and what parses evaluates", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces, { maxLength: 30 }).map((list) => list.join(" ")),
    );
    let parsedCount = 0;
    fc.assert(
      fc.property(text, (source) => {
        try {
          expect(typeof evaluateExpression(parseExpression(source), scope).value).toBe("boolean");
          parsedCount++;
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionSyntaxError);
          expect((error as ExpressionSyntaxError).offset).toBeLessThanOrEqual(source.length);
        }
      }),
      { numRuns: 5_000 },
    );
    expect(parsedCount).toBeGreaterThan(0);
  });

  const operand = fc.constantFrom(
    "{{ finding.cvss }}",
    "{{ finding.nothing }}",
    "{{ finding.asset.tags }}",
    "'high'",
    "5",
    "null",
    "['web']",
    "{{ finding }}",
  );
  const operator = fc.constantFrom("==", "!=", ">", ">=", "<", "<=", "in", "not in", "contains", "not contains");
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 5 },
      fc.tuple(operand, operator, operand).map((words) => words.join(" ")),
      fc
        .tuple(tie("expression"), fc.constantFrom("and", "or"), tie("expression"))
        .map(([a, word, b]) => `(${a}) ${word} (${b})`),
      tie("expression").map((inner) => `not (${inner})`),
    ),
  }));

  test("is total: what is well formed parses, evaluates, and is never true together with its opposite", () => {
    fc.assert(
      fc.property(expression, (source) => {
        const { value } = evaluate(source);
        const opposite = evaluate(`not (${source})`);
        expect(value && opposite.value).toBe(false);
        if (!value && !opposite.value) expect(opposite.warnings.length).toBeGreaterThan(0);
      }),
    );
  });
});
