import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, sha256 } from "../../src/core/json.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { parentPath } from "../../src/playbooks/source-map.ts";
import { check, codes, vendorExample } from "./playbook-text.ts";

function problems(text: string): string[] {
  return readSource(text).issues.map(({ code, line, column }) => `${code} ${line}:${column}`);
}

describe("a playbook's source", () => {
  test("has one canonical hash, whether it is written in YAML or in JSON", () => {
    const yaml = readSource(vendorExample);
    const json = readSource(JSON.stringify(yaml.document, null, 2));
    const shuffled = readSource(JSON.stringify(Object.fromEntries(Object.entries(yaml.document ?? {}).reverse())));
    expect([yaml.format, json.format]).toEqual(["YAML", "JSON"]);
    const hashes = [yaml, json, shuffled].map(({ document }) => sha256(canonicalJson(document ?? {})));
    expect(new Set(hashes).size).toBe(1);
  });

  test("is YAML when it has braces and is no JSON", () => {
    expect(readSource("{id: x, tags: [a]}")).toMatchObject({
      format: "YAML",
      document: { id: "x", tags: ["a"] },
      issues: [],
    });
  });

  test("may begin with an editor's byte order mark, which takes no column", () => {
    for (const text of ["id: x\nname: y\nid: z\n", '{"id": "x",\n"name": "y",\n"id": "z"}']) {
      const { issues: _plain, map: _at, ...plain } = readSource(text);
      expect(readSource(`\ufeff${text}`)).toMatchObject(plain);
      expect(problems(`\ufeff${text}`)).toEqual(["duplicate_key 3:1"]);
      expect(problems(`\ufeff${text}`)).toEqual(problems(text));
    }
  });

  test("tells where JSON goes wrong", () => {
    expect(problems('{\n  "a": 1\n  "b": 2\n}')).toEqual(["json_syntax 3:3"]);
    expect(problems('{"a": "\\x"}')).toEqual(["json_syntax 1:7"]);
    expect(problems('{"a": tru}x')).toEqual(["json_syntax 1:7"]);
    expect(problems('{"a": 1} {"b": 2}')).toEqual(["json_syntax 1:10"]);
  });

  test("refuses a duplicate key in both formats, with its place", () => {
    expect(problems('{"a": 1,\n "a": 2}')).toEqual(["duplicate_key 2:2"]);
    expect(problems("a: 1\nb: {c: 1, c: 2}\n")).toEqual(["duplicate_key 2:11"]);
  });

  test("refuses numbers that would lose digits, and text that can't be stored", () => {
    expect(problems('{"a": 9007199254740993}')).toEqual(["number_not_exact 1:7"]);
    expect(problems("a: -9007199254740993\nb: 0xffffffffffffffff\n")).toEqual([
      "number_not_exact 1:4",
      "number_not_exact 2:4",
    ]);
    expect(problems('{"a": 1e400, "b": "\\ud800", "c": "\\u0000"}')).toEqual([
      "number_out_of_range 1:7",
      "text_not_storable 1:19",
      "text_not_storable 1:34",
    ]);
    expect(problems("a: .inf\nb: .nan\n")).toEqual(["number_out_of_range 1:4", "number_out_of_range 2:4"]);
    expect(problems(`a: "${String.fromCharCode(0xd800)}"`)).toEqual(["text_not_storable 1:5"]);
    expect(readSource('{"a": "\\ud83d\\ude00", "b": -0}').document).toEqual({ a: "😀", b: 0 });
  });

  test("has no tags, merge keys, second documents, other versions and lists as keys", () => {
    expect(problems("a: !!js/function 'x'\nb: !mine {c: 1}\nd: !!binary aGk=\n")).toEqual([
      "tag_refused 1:18",
      "tag_refused 2:10",
      "tag_refused 3:13",
    ]);
    expect(problems("base: &b {x: 1}\na:\n  <<: *b\n")).toEqual(["merge_key 3:3"]);
    expect(problems("a: 1\n---\nb: 1\n")).toEqual(["many_documents 2:1"]);
    expect(problems("%YAML 1.1\n---\na: yes\n")).toEqual(["yaml_version 1:1"]);
    expect(problems("? [a]\n: 1\n")).toEqual(["key_not_text 1:3"]);
    expect(readSource("a: !!str 1.0\n").document).toEqual({ a: "1.0" });
  });

  test("never holds a key __proto__", () => {
    for (const text of ["__proto__: {polluted: true}\n", '{"__proto__": {"polluted": true}}']) {
      expect(problems(text).map((problem) => problem.split(" ")[0])).toEqual(["key_refused"]);
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("copies aliases within a bound, and refuses one that names what it stands in", () => {
    expect(readSource("a: &x [1, {b: 2}]\nc: *x\n").document).toEqual({ a: [1, { b: 2 }], c: [1, { b: 2 }] });
    expect(problems("a: &x [*x]\nb: *y\n")).toEqual(["alias_refused 1:8", "alias_refused 2:4"]);
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(", ")}]`,
    );
    expect(problems(`l0: &l0 [1, 2]\n${levels.join("\n")}\n`).map((problem) => problem.split(" ")[0])).toEqual([
      "document_too_large",
    ]);
  });

  test("copies texts by aliases within a bound, too", () => {
    const copies = (count: number) => `t: &t "${"x".repeat(200_000)}"\nl: [${Array(count).fill("*t").join(", ")}]\n`;
    expect(problems(copies(9))).toEqual([]);
    expect(problems(copies(10))).toEqual([expect.stringMatching(/^document_too_large/)]);
  });

  test("is refused where names are so long that each value would take as much to be remembered", () => {
    const [name, values] = ["k".repeat(20_000), Array(2_000).fill(1).join(", ")];
    for (const text of [`{"${name}": [${values}]}`, `? ${name}\n: [${values}]\n`]) {
      expect(problems(text)).toEqual([expect.stringMatching(/^path_too_long/)]);
    }
    const nested = (depth: number) => `{"${"k".repeat(90)}": `.repeat(depth);
    expect(problems(`${nested(10)}1${"}".repeat(10)}`)).toEqual([]);
    expect(problems(`${nested(11)}1${"}".repeat(11)}`)).toEqual([expect.stringMatching(/^path_too_long/)]);
  });

  test("is refused when it is nested without end, in every way to nest", () => {
    for (const piece of ["[", "{", '{"a":', "- ", "? ", "a: ", "[a: "]) {
      expect(readSource(piece.repeat(150_000)).issues.length).toBeGreaterThan(0);
    }
    const nested = `${"[".repeat(70)}1${"]".repeat(70)}`;
    expect(problems(`{"a": ${nested}}`)[0]).toMatch(/^document_too_deep/);
    expect(problems(`a: ${nested}`)[0]).toMatch(/^document_too_deep/);
  });

  test("is refused when it is too large, empty or no object", () => {
    expect(problems(`a: "${"x".repeat(1024 * 1024)}"`)).toEqual(["source_too_large 1:1"]);
    expect(problems("\u0000")).toEqual(["text_not_storable 1:1"]);
    expect(problems("  \n")).toEqual(["source_empty 1:1"]);
    expect(problems("just text")).toEqual(["wrong_type 1:1"]);
    expect(problems("[1]")).toEqual(["wrong_type 1:1"]);
  });

  test("says what YAML makes of unquoted words and numbers", () => {
    const { document, warnings } = readSource("a: 1.0\nb: no\nc: 0755\nd: 1e3\ne: '1.0'\nf: 12\ng: 1.5\n");
    expect(document).toEqual({ a: 1, b: "no", c: 755, d: 1000, e: "1.0", f: 12, g: 1.5 });
    expect(codes(warnings)).toEqual(["yaml_typing $.a", "yaml_typing $.b", "yaml_typing $.c", "yaml_typing $.d"]);
  });

  test("maps every path back to what encloses it", () => {
    expect(parentPath('$.a["b]\\" [\\"c"]')).toBe("$.a");
    expect(parentPath("$.steps[0].id")).toBe("$.steps[0]");
    expect(parentPath("$.steps[0]")).toBe("$.steps");
    expect(parentPath("$.steps")).toBe("$");
  });
});

describe("any text at all", () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom(
        "id: x\n",
        "steps:\n",
        "  - ",
        "&a ",
        "*a",
        "!!",
        "<<: ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        "|\n",
        ">-\n",
        "\t",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "#",
        "@",
        "`",
        "\\u",
        "{{ ",
        " }}",
        "\r\n",
        "\u0000",
        "\ufeff",
        "__proto__: ",
      ),
      fc.string({ unit: "binary", maxLength: 8 }),
    ),
    { maxLength: 40 },
  );

  test("is read to a document or to issues, and never throws", () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join("");
        const { issues } = check(text);
        for (const { line, column, path } of issues) {
          expect(line).toBeGreaterThan(0);
          expect(column).toBeGreaterThan(0);
          expect(path).toMatch(/^\$/);
        }
        expect(issues.length).toBeGreaterThan(0);
      }),
      { numRuns: 1_500 },
    );
  });

  test("that is JSON is read as JSON.parse reads it, in both formats", () => {
    const object = fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      fc.jsonValue({ maxDepth: 4, noUnicodeString: false }),
    );
    fc.assert(
      fc.property(object, fc.constantFrom(undefined, 2, "\t"), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const source = readSource(text);
        if (source.issues.length === 0)
          expect(source.document).toEqual(JSON.parse(text.replaceAll(/-0(?=[,\]}\s])/g, "0")));
        else {
          const refusals = [
            "number_not_exact",
            "text_not_storable",
            ...(text.includes("__proto__") ? ["key_refused"] : []),
          ];
          for (const { code } of source.issues) expect(refusals).toContain(code);
        }
        expect(source.format).toBe("JSON");
      }),
    );
  });
});
