import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ValidationFailure } from "../../src/core/failures.ts";
import type { Json } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { formatPath, type Path } from "../../src/expressions/paths.ts";
import { scopeRoots } from "../../src/expressions/scope.ts";
import { ExpressionSyntaxError } from "../../src/expressions/syntax-error.ts";
import { parseTemplate, renderTemplate, templateIssues, templatePaths } from "../../src/expressions/template.ts";

const scope = {
  finding: {
    title: "Open port",
    cvss: 9.8,
    exploited: true,
    owner: null,
    references: ["https://a.example", { url: "b" }],
    "a key": "spaced",
    'quo"te': 1,
    hostile: "{{ env.password }}",
  },
  steps: { "notify-team": { status: "succeeded", output: { message_ts: "17.5", "0": "zero" } } },
  env: { password: "hunter22" },
};
const render = (value: Json) => renderTemplate(value, scope);

describe("a template that is the whole value", () => {
  test.each([
    ["{{ finding.cvss }}", 9.8],
    ["{{finding.exploited}}", true],
    ["{{ finding.owner }}", null],
    ["{{ finding.references }}", ["https://a.example", { url: "b" }]],
    ["{{ finding.references[1].url }}", "b"],
    ["{{ finding.references.0 }}", "https://a.example"],
    ['{{ finding["a key"] }}', "spaced"],
    ["{{ finding['quo\"te'] }}", 1],
    ['{{ finding["quo\\"te"] }}', 1],
    ["{{\n steps.notify-team.output.message_ts \n}}", "17.5"],
    ["{{ steps.notify-team.output[0] }}", "zero"],
  ])("keeps the type of what %s finds", (template, expected) => {
    expect(render(template)).toEqual({ value: expected, warnings: [] });
  });

  test("is null with a warning where it finds nothing", () => {
    const { value, warnings } = render("{{ finding.asset.name }}");
    expect([value, warnings]).toEqual([null, [expect.stringContaining("finding.asset.name")]]);
  });

  test("returns a value that is deeply equal, whatever it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const rendered = renderTemplate("{{ finding.it }}", { finding: { it: value } });
        expect(rendered).toEqual({ value, warnings: [] });
      }),
    );
  });
});

describe("a template in a longer text", () => {
  test.each([
    ["Critical: {{ finding.title }} ({{ finding.cvss }})", "Critical: Open port (9.8)"],
    ["{{ finding.references }}!", '["https://a.example",{"url":"b"}]!'],
    ['{"a":{"b":{{ finding.exploited }}}}', '{"a":{"b":true}}'],
    ["<{{ finding.owner }}>", "<>"],
    [" {{ finding.cvss }}", " 9.8"],
  ])("makes %s a text", (template, expected) => {
    expect(render(template)).toEqual({ value: expected, warnings: [] });
  });

  test("leaves an empty text and one warning for a path that finds nothing", () => {
    const { value, warnings } = render("<{{ scan.id }}{{ scan.id }}>");
    expect([value, warnings.length]).toEqual(["<>", 1]);
  });
});

describe("rendering", () => {
  test("is the identity, to the same object, for a value without templates", () => {
    const braceless = fc.jsonValue().filter((value) => !JSON.stringify(value).includes("{{"));
    fc.assert(
      fc.property(braceless, (value) => {
        expect(render(value as Json).value).toBe(value);
      }),
    );
  });

  test("walks lists and objects, leaves keys alone, and keeps what has no template", () => {
    const untouched = { deep: ["x"] };
    const { value } = render({ "{{ finding.title }}": ["a", "{{ finding.cvss }}"], untouched });
    expect(value).toEqual({ "{{ finding.title }}": ["a", 9.8], untouched });
    expect((value as { untouched: unknown }).untouched).toBe(untouched);
  });

  test("does not change the value it was given", () => {
    const value = Object.freeze({ list: Object.freeze(["{{ finding.cvss }}"]) });
    expect(render(value).value).toEqual({ list: [9.8] });
    expect(value.list).toEqual(["{{ finding.cvss }}"]);
  });

  test("never reads what it put in as a template again", () => {
    expect(render("{{ finding.hostile }}").value).toBe("{{ env.password }}");
    expect(render("say {{ finding.hostile }}").value).toBe("say {{ env.password }}");
  });

  test("takes what stands in for a path, whatever the scope holds, and warns of nothing", () => {
    const standIn = (path: Path) => (path[0] === "secret" ? "***" : undefined);
    const value = { lone: "{{ secret.a }}", mixed: "x {{ secret.b }} {{ finding.title }}" };
    const scope = { secret: { a: "plain" }, finding: { title: "t" } };
    expect(renderTemplate(value, scope, standIn)).toEqual({ value: { lone: "***", mixed: "x *** t" }, warnings: [] });
  });

  test("keeps a key named __proto__ a key", () => {
    const { value } = render(JSON.parse('{"__proto__":{"polluted":"{{ finding.title }}"}}'));
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":"Open port"}}');
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });

  test("refuses to multiply a large value beyond the bounds", () => {
    const large = { finding: { text: "x".repeat(200_000), list: ["x".repeat(200_000)] } };
    expect(() => renderTemplate("{{ finding.text }}".repeat(20), large)).toThrow(ValidationFailure);
    expect(() => renderTemplate(Array(100).fill("{{ finding.list }}"), large)).toThrow(ValidationFailure);
    let doubled: Json = "x";
    for (let i = 0; i < 60; i++) doubled = [doubled, doubled];
    expect(() => renderTemplate("{{ finding }}", { finding: doubled })).toThrow(ValidationFailure);
  });

  test("refuses values that are nested too deeply, on either side", () => {
    let deep: Json = "{{ finding }}";
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(() => render(deep)).toThrow(ValidationFailure);
    expect(() => renderTemplate("{{ finding }}", { finding: deep })).toThrow(ValidationFailure);
    expect(templateIssues(deep, "$")).toEqual([]);
  });
});

describe("a template's syntax", () => {
  test.each([
    ["{{ constructor.constructor('return process')() }}", 3],
    ["{{ finding.__proto__.x }}", 11],
    ['{{ finding["__proto__"] }}', 11],
    ["{{ finding.prototype }}", 11],
    ["{{ finding['constructor'] }}", 11],
    ["{{ finding.title() }}", 16],
    ["{{ finding.cvss + 1 }}", 16],
    ["{{ finding | upper }}", 11],
    ["{{ }}", 3],
    ["{{ finding. }}", 11],
    ["{{ finding..a }}", 11],
    ["{{ finding[-1] }}", 11],
    ["{{ finding[0 }}", 13],
    ["{{ finding['a }}", 16],
    ["a {{ finding", 12],
    ["a {{", 4],
    ["{{{ finding }}}", 2],
    ["{{ 'finding' }}", 3],
    [`{{ ${"a.".repeat(limits.pathSegmentsMax)}a }}`, 3 + 2 * limits.pathSegmentsMax],
  ])("refuses %s and says where", (template, offset) => {
    const [issue] = templateIssues(template, "$.x");
    expect(issue).toMatchObject({ path: "$.x", code: "template_syntax" });
    expect(() => parseTemplate(template)).toThrow(expect.objectContaining({ offset }));
  });

  test("allows closing braces, single braces and empty texts as they are", () => {
    for (const text of ["}}", "{ a }", '{"a":{"b":1}}', "", "{"]) expect(parseTemplate(text).lone).toBeUndefined();
  });

  test("is refused when too long", () => {
    expect(() => parseTemplate("x".repeat(limits.templateLengthMax + 1))).toThrow(ExpressionSyntaxError);
  });

  test("never fails in another way than by a syntax error with an offset inside the text", () => {
    const pieces = fc.constantFrom(
      "{{",
      "}}",
      " ",
      ".",
      "[",
      "]",
      '"',
      "'",
      "\\",
      "a",
      "0",
      "-",
      "__proto__",
      "é",
      "\ud800",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(pieces).map((list) => list.join("")),
        ),
        (text) => {
          try {
            parseTemplate(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ExpressionSyntaxError);
            expect((error as ExpressionSyntaxError).offset).toBeLessThanOrEqual(text.length);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("copes with the longest hostile texts", () => {
    for (const piece of [
      "{{",
      "{{ a",
      "{{ a[",
      '{{ a["',
      "{{ a }}",
      "[".repeat(9),
      "{{ a[0]",
      `{{${" ".repeat(99)}`,
      "}}",
    ]) {
      const text = piece.repeat(limits.templateLengthMax / piece.length);
      expect(templateIssues(text, "$").length).toBeLessThanOrEqual(1);
    }
  });
});

describe("the templates of a document", () => {
  const document = {
    a: ["{{ finding.title }} {{ env.x }}", { "b c": "{{ oops" }],
    d: { e: "{{ finnding.id }}" },
    f: 1,
  };

  test("are all checked, each problem with its place", () => {
    const issues = templateIssues(document, "$.parameters", scopeRoots);
    expect(issues.map(({ path, code }) => [path, code])).toEqual([
      ['$.parameters.a[1]["b c"]', "template_syntax"],
      ["$.parameters.d.e", "unknown_root"],
    ]);
  });

  test("tell every path they use", () => {
    expect(templatePaths(document).map(formatPath)).toEqual(["finding.title", "env.x", "finnding.id"]);
  });

  test("have their paths written so that they are read the same again", () => {
    const segment = fc.oneof(
      fc.nat(99),
      fc.string().filter((key) => !/^(__proto__|prototype|constructor)$/.test(key)),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 9 }), (rest) => {
        const path = ["finding", ...rest];
        expect(parseTemplate(`{{ ${formatPath(path)} }}`).lone).toEqual(path);
      }),
    );
  });
});
