import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkDefinition } from "../../src/actions/check-definition.ts";
import { actionDefinitionSchema } from "../../src/actions/definition-schema.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { blockIp, file, localAction, problems, remote, remoteAction } from "./definitions.ts";

function parameter(definition: JsonObject): JsonObject {
  return remoteAction({ parameters: [{ name: "value", ...definition }] });
}

describe("a definition", () => {
  test("as the schema's reference shows it is accepted", () => {
    expect(problems(blockIp)).toEqual([]);
    expect(new Ajv2020().validate(actionDefinitionSchema, blockIp)).toBe(true);
  });

  test("with ten mistakes reports ten, each with its path", () => {
    const definition = {
      id: "not-a-uuid",
      name: "ab",
      version: "1.0",
      type: "containmnt",
      description: "",
      parameters: [
        { name: "ip", type: "strng" },
        { name: "level", type: "enum" },
        { name: "hours", type: "integer", default: 100, validation: { min: 1, max: 24 } },
        { name: "key", type: "secret", default: "abc" },
      ],
      executor: { type: "local", target: "../x.py" },
      timeout_secs: 30,
    };
    expect(problems(definition).sort()).toEqual([
      "$.executor.target outside_package",
      "$.id wrong_format",
      "$.name out_of_bounds",
      "$.parameters[0].type not_allowed",
      "$.parameters[1].validation.allowed_values required",
      "$.parameters[2].default invalid_default",
      "$.parameters[3].default secret_default",
      "$.timeout_secs unknown_field",
      "$.type not_allowed",
      "$.version wrong_format",
    ]);
  });

  test("is told the allowed values, and the name that was meant", () => {
    const { issues } = checkDefinition({ ...parameter({ type: "strng" }), timeout_secs: 1 }, []);
    const messages = Object.fromEntries(issues.map(({ path, message }) => [path, message]));
    expect(messages["$.parameters[0].type"]).toContain("string, integer, boolean, enum, secret");
    expect(messages["$.timeout_secs"]).toContain('Did you mean "timeout_seconds"?');
  });

  test.each([null, [], "text", 1, true, undefined])("that is %j and no object is refused", (definition) => {
    expect(problems(definition)).toEqual(["$ wrong_type"]);
  });

  test("never makes the check throw", () => {
    const partly = fc.record(
      Object.fromEntries(Object.keys(blockIp).map((key) => [key, fc.oneof(fc.constant(blockIp[key]), fc.jsonValue())])),
      { requiredKeys: [] },
    );
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), partly), (value) => void checkDefinition(value, []).issues.length));
  });

  test("with a __proto__ key is refused", () => {
    expect(problems(JSON.parse('{"__proto__": 1}'))).toContain("$.__proto__ unknown_field");
  });

  test("that is too deep, too large or can't be stored is refused", () => {
    const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    expect(problems(remoteAction({ input_mapping: { x: deep } }))).toEqual(["$ too_large"]);
    expect(problems(remoteAction({ description: "x".repeat(300_000) }))).toEqual(["$ too_large"]);
    expect(problems(remoteAction({ description: "a\u0000b" }))).toEqual(["$.description invalid_text"]);
    expect(problems(remoteAction({ tags: ["\ud800"] }))).toEqual(["$.tags[0] invalid_text"]);
  });

  test("is bounded in its names, texts and times", () => {
    expect(problems(remoteAction({ name: "abc", description: "x".repeat(1024), timeout_seconds: 3600 }))).toEqual([]);
    expect(problems(remoteAction({ name: "é".repeat(128) }))).toEqual([]);
    expect(problems(remoteAction({ name: "x".repeat(129) }))).toEqual(["$.name out_of_bounds"]);
    expect(problems(remoteAction({ description: "x".repeat(1025) }))).toEqual(["$.description out_of_bounds"]);
    expect(problems(remoteAction({ timeout_seconds: 3601 }))).toEqual(["$.timeout_seconds out_of_bounds"]);
    expect(problems(remoteAction({ timeout_seconds: 0 }))).toEqual(["$.timeout_seconds out_of_bounds"]);
    expect(problems(remoteAction({ timeout_seconds: 1.5 }))).toEqual(["$.timeout_seconds wrong_type"]);
    expect(problems(remoteAction({ retry: { max_attempts: 0 } }))).toEqual(["$.retry.max_attempts out_of_bounds"]);
  });

  test.each(["block@1.2", "block@1", "a3f8e1b2-7c44-4d2a-9f10-6b8e5d3c1a72", " block", "blo\u202eck"])(
    "can't be called %j",
    (name) => expect(problems(remoteAction({ name }))).toEqual(["$.name invalid_name"]),
  );
  test.each(["Block an IP", "me@example", "deadbeef"])("can be called %j", (name) =>
    expect(problems(remoteAction({ name }))).toEqual([]),
  );
});

describe("a parameter", () => {
  test.each([
    [{ type: "string", validation: { min: 1 } }, "$.parameters[0].validation.min wrong_rule"],
    [{ type: "boolean", validation: { pattern: "x" } }, "$.parameters[0].validation.pattern wrong_rule"],
    [{ type: "secret", validation: { min_length: 1 } }, "$.parameters[0].validation.min_length wrong_rule"],
    [{ type: "integer", validation: { min: 3, max: 2 } }, "$.parameters[0].validation.min contradiction"],
    [
      { type: "string", validation: { min_length: 3, max_length: 2 } },
      "$.parameters[0].validation.min_length contradiction",
    ],
    [{ type: "string", validation: { pattern: "(" } }, "$.parameters[0].validation.pattern pattern_syntax"],
    [{ type: "string", validation: { pattern: "(a)\\1" } }, "$.parameters[0].validation.pattern pattern_syntax"],
    [{ type: "enum" }, "$.parameters[0].validation.allowed_values required"],
    [{ type: "enum", validation: { allowed_values: [] } }, "$.parameters[0].validation.allowed_values out_of_bounds"],
    [{ type: "enum", validation: { allowed_values: ["a"] }, default: "b" }, "$.parameters[0].default invalid_default"],
    [{ type: "integer", default: "24" }, "$.parameters[0].default invalid_default"],
    [{ type: "integer", default: 2 ** 53 }, "$.parameters[0].default invalid_default"],
    [{ type: "boolean", default: 1 }, "$.parameters[0].default invalid_default"],
    [{ type: "secret", default: "hunter2" }, "$.parameters[0].default secret_default"],
    [{ type: "string", name: "a b" }, "$.parameters[0].name wrong_format"],
    [{ type: "string", name: "constructor" }, "$.parameters[0].name reserved_name"],
  ])("%j is refused: %s", (definition, problem) => expect(problems(parameter(definition))).toEqual([problem]));

  test("has a name of its own", () => {
    const twice = { name: "a", type: "string" };
    expect(problems(remoteAction({ parameters: [twice, twice] }))).toEqual(["$.parameters[1].name duplicate"]);
  });

  test("does not quote a secret's default", () => {
    expect(JSON.stringify(checkDefinition(parameter({ type: "secret", default: "hunter2" }), []))).not.toContain(
      "hunter2",
    );
  });
});

describe("mappings and conditions", () => {
  test.each([
    [{ ip_address: "{{ finding.ip" }, "$.input_mapping.ip_address template_syntax"],
    [{ ip_address: "{{ constructor.name }}" }, "$.input_mapping.ip_address template_syntax"],
    [{ ip_address: "{{ process.env }}" }, "$.input_mapping.ip_address unknown_root"],
    [{ ip_address: "{{ parameters.fw_api_key }}" }, "$.input_mapping.ip_address secret_not_allowed"],
    [{ fw_api_key: "hunter2" }, "$.input_mapping.fw_api_key literal_secret"],
    [{ fw_api_key: { $secret: "a b" } }, "$.input_mapping.fw_api_key.$secret wrong_format"],
    [{ auth: { $secret: "fw" } }, "$.input_mapping.auth misplaced"],
    [{ auth: { deep: [{ $secret: "fw" }] } }, "$.input_mapping.auth misplaced"],
  ])("%j is refused: %s", (input_mapping, problem) =>
    expect(problems(remoteAction({ input_mapping }))).toEqual([problem]),
  );

  test("name parameters, or for a remote executor what they are sent as", () => {
    const input_mapping = { ip: "{{ parameters.ip_address }}", key: "{{ parameters.fw_api_key }}" };
    expect(problems(remoteAction({ input_mapping }))).toEqual([]);
    expect(problems(localAction({ input_mapping }), [file("block_ip.py")])).toEqual([
      "$.input_mapping.ip unknown_parameter",
      "$.input_mapping.key unknown_parameter",
    ]);
  });

  test.each(["GET", "DELETE"])("send no secret in the query of a %s", (method) => {
    const input_mapping = { key: "{{ parameters.fw_api_key }}" };
    expect(problems(remote({ method }, { input_mapping }))).toEqual(["$.input_mapping.key secret_in_query"]);
  });

  test("of outputs are paths in the result", () => {
    const output_mapping = {
      a: "result.data[0].id",
      b: "data.id",
      c: "{{ result.id }}",
      d: "result.__proto__",
      constructor: "result",
    };
    expect(problems(remoteAction({ output_mapping }))).toEqual([
      "$.output_mapping.b output_path",
      "$.output_mapping.c output_path",
      "$.output_mapping.d output_path",
      "$.output_mapping.constructor reserved_name",
    ]);
  });

  test("that decide whether to run are checked whole", () => {
    const rules = [
      { field: "{{ finding.severity }}", op: "gtee", value: 7 },
      { field: "{{ nothing.known }}", op: "eq", value: 1 },
      { field: "{{ parameters.fw_api_key }}", op: "eq", value: "x" },
    ];
    const found = problems(remoteAction({ conditions: { operator: "xor", rules } }));
    expect(found).toContain("$.conditions.operator unknown_operator");
    expect(found).toContain("$.conditions.rules[0].op unknown_operator");
    expect(found).toContain("$.conditions.rules[1].field unknown_root");
    expect(found).toContain("$.conditions secret_not_allowed");
    expect(found).toHaveLength(4);
  });
});

describe("warnings", () => {
  const warnings = (definition: JsonObject): string[] =>
    checkDefinition(definition, []).warnings.map(({ path, code, message }) => `${path} ${code}: ${message}`);

  test("tell what a remote executor sends, and where", () => {
    const target = "https://firewall.internal/{{ parameters.ip_address }}";
    const headers = { Authorization: "Bearer {{ parameters.fw_api_key }}" };
    const [warning] = warnings(remote({ target, headers }));
    expect(warning).toContain("duration_hours in the body (JSON)");
    expect(warning).toContain("fw_api_key (a secret) in the header Authorization");
    expect(warning).toContain("ip_address in the URL");
  });

  test("tell of a parameter that is sent nowhere", () => {
    expect(warnings(remote({ method: "GET" })).join()).toContain("$.parameters[2] not_sent: fw_api_key");
  });

  test.each([
    { Authorization: "Bearer abcdef" },
    { "X-Api-Key": "abcdef" },
    { "X-Auth-Token": "a" },
    { Accept: "Basic YWJj" },
  ])("tell that %j looks like a credential, without quoting it", (headers) => {
    const found = warnings(remote({ headers })).filter((warning) => warning.includes("literal_credential"));
    expect(found).toHaveLength(1);
    expect(found[0]).not.toMatch(/abcdef|YWJj/);
  });

  test("leave ordinary headers alone", () => {
    const headers = {
      "Content-Type": "application/json",
      "X-Api-Key": "{{ parameters.fw_api_key }}",
      Accept: "text/plain",
    };
    expect(warnings(remote({ headers })).join()).not.toContain("literal_credential");
  });
});

describe("the JSON Schema", () => {
  test("agrees with the check wherever a schema can speak", () => {
    const validate = new Ajv2020().compile(actionDefinitionSchema);
    for (const bad of [
      remoteAction({ type: "x" }),
      remoteAction({ conditions: { rules: [] } }),
      parameter({ type: "x" }),
    ]) {
      expect(validate(bad)).toBe(false);
      expect(problems(bad)).not.toEqual([]);
    }
  });
});
