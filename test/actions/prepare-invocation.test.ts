import { describe, expect, test } from "vitest";
import { mapOutput } from "../../src/actions/map-output.ts";
import {
  type Invocation,
  neededSecrets,
  type Prepared,
  prepareInvocation,
} from "../../src/actions/prepare-invocation.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { blockIp, checked, file, localAction, remoteAction } from "./definitions.ts";

type Given = Partial<Omit<Invocation, "definition" | "storedSecrets">> & {
  readonly stored?: Readonly<Record<string, string>>;
};

function prepare(definition: JsonObject, { stored = {}, ...given }: Given = {}): Prepared {
  return prepareInvocation({
    definition: checked(definition, [file("block_ip.py")]),
    parameters: {},
    scope: {},
    givenSecrets: {},
    storedSecrets: new Map(Object.entries(stored)),
    ...given,
  });
}

/** `path code` of every violation; nothing when it was not refused. */
function violations(prepared: Prepared): string[] {
  return prepared.kind === "refused" ? prepared.issues.map(({ path, code }) => `${path} ${code}`) : [];
}

function call(prepared: Prepared) {
  if (prepared.kind !== "ready") throw new Error(JSON.stringify(prepared));
  return prepared.call;
}

/** A remote action of one parameter. */
function oneParameter(parameter: JsonObject, changes: { readonly [field: string]: Json } = {}): JsonObject {
  return remoteAction({ parameters: [{ name: "value", ...parameter }], ...changes });
}

function remote(executor: JsonObject, changes: { readonly [field: string]: Json } = {}): JsonObject {
  return remoteAction({
    executor: { type: "remote", target: "https://firewall.internal/api", ...executor },
    ...changes,
  });
}

const good = { parameters: { ip_address: "10.1.2.3" }, stored: { fw_api_key: "s3cr3t-key" } };

describe("an invocation", () => {
  test("is ready with the caller's values, the store's secret and the default", () => {
    expect(prepare(remoteAction({ timeout_seconds: 30 }), good)).toEqual({
      kind: "ready",
      call: {
        type: "remote",
        method: "POST",
        url: "https://firewall.internal/api/rules/block",
        headers: {},
        body: { ip_address: "10.1.2.3", duration_hours: 24, fw_api_key: "s3cr3t-key" },
      },
      timeoutMs: 30_000,
      input: { ip_address: "10.1.2.3", duration_hours: 24, fw_api_key: "***" },
      secrets: ["s3cr3t-key"],
      warnings: [],
    });
  });

  test.each<Json>(["24", 24.5, true, 2 ** 53, [24], { n: 24 }])("refuses %j for an integer", (value) => {
    const prepared = prepare(remoteAction(), { ...good, parameters: { ...good.parameters, duration_hours: value } });
    expect(violations(prepared)).toHaveLength(1);
    expect(violations(prepared)[0]).toMatch(/^\$\.parameters\.duration_hours (wrong_type|out_of_bounds)$/);
  });

  test.each<[JsonObject, Json, string]>([
    [{ type: "string" }, 1, "wrong_type"],
    [{ type: "string" }, ["a"], "wrong_type"],
    [{ type: "boolean" }, 1, "wrong_type"],
    [{ type: "boolean" }, "true", "wrong_type"],
    [{ type: "secret" }, 1, "wrong_type"],
    [{ type: "enum", validation: { allowed_values: ["In"] } }, "in", "not_allowed"],
    [{ type: "enum", validation: { allowed_values: ["1"] } }, 1, "wrong_type"],
    [{ type: "string", validation: { min_length: 2 } }, "😀", "too_short"],
    [{ type: "string", validation: { max_length: 1 } }, "ab", "too_long"],
    [{ type: "string", validation: { pattern: "^a$" } }, "ab", "pattern_mismatch"],
    [{ type: "integer", validation: { min: 1 } }, 0, "out_of_bounds"],
    [{ type: "integer", validation: { max: 1 } }, 2, "out_of_bounds"],
  ])("of %j refuses %j: %s", (parameter, value, code) =>
    expect(violations(prepare(oneParameter(parameter), { parameters: { value } }))).toEqual([
      `$.parameters.value ${code}`,
    ]),
  );

  test.each<[JsonObject, Json]>([
    [{ type: "integer" }, -0],
    [{ type: "integer" }, Number.MAX_SAFE_INTEGER],
    [{ type: "boolean" }, false],
    [{ type: "string" }, ""],
    [{ type: "string", validation: { max_length: 1 } }, "😀"],
    [{ type: "string", validation: { pattern: "b" } }, "abc"],
  ])("of %j takes %j", (parameter, value) =>
    expect(prepare(oneParameter(parameter), { parameters: { value } }).kind).toBe("ready"),
  );

  test("tells every violation at once, the unknown parameters too", () => {
    const parameters = { ip_address: "x", duration_hours: 0, ip_adress: "10.0.0.1" };
    const prepared = prepare(remoteAction(), { parameters });
    expect(violations(prepared)).toEqual([
      "$.parameters.ip_adress unknown_parameter",
      "$.parameters.ip_address pattern_mismatch",
      "$.parameters.duration_hours out_of_bounds",
      "$.parameters.fw_api_key required",
    ]);
    expect(prepared.kind === "refused" && prepared.issues[0]?.message).toContain('Did you mean "ip_address"?');
  });

  test("takes null as left out, from a caller and from a mapping", () => {
    const definition = oneParameter({ type: "integer", default: 7 }, { input_mapping: { value: "{{ finding.n }}" } });
    expect(prepare(definition, { parameters: { value: null } }).input).toEqual({ value: 7 });
    expect(prepare(definition, { scope: { finding: { n: 3 } } }).input).toEqual({ value: 3 });
    expect(prepare(definition, { parameters: { value: 1 }, scope: { finding: { n: 3 } } }).input).toEqual({ value: 1 });
  });

  test("warns of a mapping that finds nothing", () => {
    const definition = oneParameter({ type: "integer", default: 7 }, { input_mapping: { value: "{{ finding.n }}" } });
    expect(prepare(definition).warnings).toEqual(["finding.n finds nothing: null is used."]);
  });

  test("does not take inherited names for parameters", () => {
    expect(
      violations(
        prepare(remoteAction(), {
          ...good,
          parameters: JSON.parse('{"ip_address": "1.1.1.1", "__proto__": {"x": 1}}'),
        }),
      ),
    ).toEqual(["$.parameters.__proto__ unknown_parameter"]);
    expect(violations(prepare(oneParameter({ type: "string", name: "toString", required: true })))).toEqual([
      "$.parameters.toString required",
    ]);
  });

  test("of an agent's action is refused for now", () => {
    const definition = remoteAction({ executor: { type: "opservant", target: "agent-1" } });
    expect(violations(prepare(definition, good))).toEqual(["$.executor.type not_yet"]);
  });
});

describe("conditions", () => {
  const scope = (severity: Json) => ({ trigger: { alert: { severity, source_ip: "10.1.2.3" } } });

  test("that are true let the action run", () => {
    expect(prepare(blockIp, { scope: scope(8), stored: { api_key: "k" } }).kind).toBe("ready");
    expect(prepare(blockIp, { scope: scope("high"), stored: { api_key: "k" } }).kind).toBe("ready");
  });

  test("that are false skip the action, also where something it would need is missing", () => {
    expect(prepare(blockIp, { scope: scope(3) }).kind).toBe("skipped");
    expect(prepare(blockIp).kind).toBe("skipped");
  });

  test("do not hide a caller's mistake", () => {
    expect(violations(prepare(blockIp, { scope: scope(3), parameters: { duration_hours: "24" } }))).toEqual([
      "$.parameters.duration_hours wrong_type",
      "$.parameters.api_key required",
    ]);
  });

  test("see the arguments, without the secrets", () => {
    const rules = [{ field: "{{ parameters.ip_address }}", op: "not_in", value: ["10.0.0.0/8"] }];
    const definition = remoteAction({ conditions: { operator: "and", rules } });
    expect(prepare(definition, good).kind).toBe("skipped");
    expect(prepare(definition, { ...good, parameters: { ip_address: "8.8.8.8" } }).kind).toBe("ready");
  });
});

describe("secrets", () => {
  const definition = checked(remoteAction());

  test("are asked of the store where nothing else gives them", () => {
    expect(neededSecrets(definition, {})).toEqual(["fw_api_key"]);
    expect(neededSecrets(definition, { fw_api_key: null })).toEqual(["fw_api_key"]);
    expect(neededSecrets(definition, { fw_api_key: "given" })).toEqual([]);
    expect(neededSecrets(definition, { fw_api_key: { $secret: "other" } })).toEqual(["other"]);
    expect(neededSecrets(definition, { fw_api_key: "{{ env.key }}" })).toEqual(["fw_api_key"]);
    const mapped = checked(remoteAction({ input_mapping: { fw_api_key: { $secret: "mapped" } } }));
    expect(neededSecrets(mapped, {})).toEqual(["mapped"]);
    expect(neededSecrets(mapped, { fw_api_key: "{{ env.key }}" })).toEqual(["mapped"]);
  });

  test("may have another name in the store", () => {
    const parameters = { ...good.parameters, fw_api_key: { $secret: "other" } };
    expect(call(prepare(remoteAction(), { parameters, stored: { other: "s3cr3t-other" } }))).toMatchObject({
      body: { fw_api_key: "s3cr3t-other" },
    });
    expect(violations(prepare(remoteAction(), { parameters, stored: {} }))).toEqual([
      "$.parameters.fw_api_key secret_not_found",
    ]);
  });

  test("that come with the call win", () => {
    const prepared = prepare(remoteAction(), { ...good, givenSecrets: { fw_api_key: "given-with-call" } });
    expect(call(prepared)).toMatchObject({ body: { fw_api_key: "given-with-call" } });
  });

  test("are shown nowhere, also where a caller repeats one or mistakes its place", () => {
    const loose = remoteAction({
      parameters: [
        { name: "note", type: "string" },
        { name: "fw_api_key", type: "secret", required: true },
      ],
    });
    const prepared = prepare(loose, {
      parameters: { note: "key is s3cr3t-key" },
      stored: { fw_api_key: "s3cr3t-key" },
    });
    expect(prepared.input).toEqual({ note: "key is ***", fw_api_key: "***" });
    const refused = prepare(loose, { parameters: { fw_api_kye: "s3cr3t-key", fw_api_key: ["s3cr3t-key"] } });
    expect(refused.kind).toBe("refused");
    expect(JSON.stringify(refused)).not.toContain("s3cr3t-key");
  });

  test("are in the arguments of a script, which learns which they are", () => {
    expect(call(prepare(localAction(), good))).toEqual({
      type: "local",
      target: "block_ip.py",
      arguments: { ip_address: "10.1.2.3", duration_hours: 24, fw_api_key: "s3cr3t-key" },
      parameterNames: ["ip_address", "duration_hours", "fw_api_key"],
      secretNames: new Set(["fw_api_key"]),
    });
  });
});

describe("a remote call", () => {
  test("leaves out of the body what only a header or the target uses", () => {
    const target = "https://firewall.internal/hosts/{{ parameters.ip_address }}";
    const headers = { Authorization: "Bearer {{ parameters.fw_api_key }}", "X-Trace": "{{ run.id }}" };
    expect(call(prepare(remote({ target, headers }), { ...good, scope: { run: { id: "r1" } } }))).toEqual({
      type: "remote",
      method: "POST",
      url: "https://firewall.internal/hosts/10.1.2.3",
      headers: { Authorization: "Bearer s3cr3t-key", "X-Trace": "r1" },
      body: { duration_hours: 24 },
    });
  });

  test("has exactly the mapping as its body where that renames", () => {
    const input_mapping = {
      ip: "{{ parameters.ip_address }}",
      duration_hours: 12,
      auth: { key: "{{ parameters.fw_api_key }}" },
      note: "by {{ env.team }}",
      gone: "{{ finding.nothing }}",
    };
    expect(call(prepare(remote({}, { input_mapping }), { ...good, scope: { env: { team: "soc" } } }))).toMatchObject({
      body: { ip: "10.1.2.3", duration_hours: 12, auth: { key: "s3cr3t-key" }, note: "by soc" },
    });
  });

  test("keeps the parameters' names where the mapping only gives values", () => {
    const input_mapping = { ip_address: "{{ finding.ip }}" };
    const prepared = prepare(remote({}, { input_mapping }), {
      ...good,
      parameters: {},
      scope: { finding: { ip: "1.1.1.1" } },
    });
    expect(call(prepared)).toMatchObject({
      body: { ip_address: "1.1.1.1", duration_hours: 24, fw_api_key: "s3cr3t-key" },
    });
  });

  test.each(["GET", "DELETE"])("of %s sends in the query, and no secret there", (method) => {
    const built = call(prepare(remote({ method }), good));
    expect(built).toMatchObject({ method, query: { ip_address: "10.1.2.3", duration_hours: 24 } });
    expect(built).not.toHaveProperty("body");
    expect(JSON.stringify(built)).not.toContain("s3cr3t-key");
  });

  const inTarget = (target: string, value: Json, scope = {}) =>
    prepare(remoteAction({ parameters: [{ name: "value", type: "string" }], executor: { type: "remote", target } }), {
      parameters: { value },
      scope,
    });

  test.each([
    ["a/b", "a%2Fb"],
    ["../admin", "..%2Fadmin"],
    ["..%2fadmin", "..%252fadmin"],
    ["a?b#c", "a%3Fb%23c"],
    ["a\\b", "a%5Cb"],
    ["@evil.example", "%40evil.example"],
    ["a\r\nHost: evil", "a%0D%0AHost%3A%20evil"],
    ["{{ env.x }}", "%7B%7B%20env.x%20%7D%7D"],
    ["é\ud800", "%C3%A9%EF%BF%BD"],
  ])("keeps %j one segment of the path", (value, segment) => {
    expect(call(inTarget("https://firewall.internal/hosts/{{ parameters.value }}/block", value))).toMatchObject({
      url: `https://firewall.internal/hosts/${segment}/block`,
    });
  });

  test.each(["..", ".", ""])("is refused with %j as a segment", (value) => {
    expect(violations(inTarget("https://firewall.internal/hosts/{{ parameters.value }}", value))).toEqual([
      "$.executor.target invalid_target",
    ]);
  });

  test("is refused with a segment put together to ..", () => {
    const target = "https://firewall.internal/hosts/.{{ parameters.value }}/x";
    expect(violations(inTarget(target, "."))).toEqual(["$.executor.target invalid_target"]);
  });

  test("keeps a value one argument of the query", () => {
    expect(call(inTarget("https://firewall.internal/?ip={{ parameters.value }}", "a&b=c#d"))).toMatchObject({
      url: "https://firewall.internal/?ip=a%26b%3Dc%23d",
    });
  });

  test("may have a host that is the tenant's variable", () => {
    const target = "https://{{ env.host }}/x/{{ parameters.value }}";
    expect(call(inTarget(target, "v", { env: { host: "fw.internal:8443" } }))).toMatchObject({
      url: "https://fw.internal:8443/x/v",
    });
    expect(violations(inTarget(target, "v", { env: { host: "a@b" } }))).toEqual(["$.executor.target invalid_target"]);
    expect(violations(inTarget(target, "v"))).toEqual(["$.executor.target invalid_target"]);
    const base = "{{ env.base }}/x/{{ parameters.value }}";
    expect(call(inTarget(base, "v", { env: { base: "https://fw/api" } }))).toMatchObject({ url: "https://fw/api/x/v" });
    expect(violations(inTarget(base, "v", { env: { base: "//" } }))).toEqual(["$.executor.target invalid_target"]);
  });

  test("may have a target that is one whole value", () => {
    const target = "{{ parameters.value }}";
    expect(call(inTarget(target, "https://anywhere.example/hook"))).toMatchObject({
      url: "https://anywhere.example/hook",
    });
    for (const value of ["ftp://x/", "https://a\r\nb", "https://a b", "x", "https:\\\\a"]) {
      expect(violations(inTarget(target, value))).toEqual(["$.executor.target invalid_target"]);
    }
  });

  test.each(["a\r\nX-Other: b", "a\nb", "a\u0000b", "€"])("is refused with %j in a header", (value) => {
    const executor = { type: "remote", target: "https://a/", headers: { "X-Value": "v {{ parameters.value }}" } };
    const prepared = prepare(oneParameter({ type: "string" }, { executor }), { parameters: { value } });
    expect(violations(prepared)).toEqual(["$.executor.headers.X-Value invalid_header"]);
    expect(JSON.stringify(prepared.kind === "refused" && prepared.issues)).not.toContain("X-Other");
  });

  test("leaves out a header whose one value is absent", () => {
    const headers = { "X-Value": "{{ finding.nothing }}", "X-Other": "a" };
    expect(call(prepare(remote({ headers }), good))).toMatchObject({ headers: { "X-Other": "a" } });
  });

  test("takes what a value holds for data", () => {
    const parameters = { value: "{{ env.key }}" };
    const built = call(prepare(oneParameter({ type: "string" }), { parameters, scope: { env: { key: "leak" } } }));
    expect(built).toMatchObject({ body: { value: "{{ env.key }}" } });
  });
});

describe("the output of a step", () => {
  const output_mapping = { block_status: "result.status", rule_id: "result.data.rule_id", first: "result.list[0]" };

  test("is the result with the mapped variables laid over it", () => {
    const result = { status: "ok", data: { rule_id: 7 }, rule_id: "old", list: [1] };
    expect(mapOutput({ output_mapping }, result)).toEqual({ ...result, block_status: "ok", rule_id: 7, first: 1 });
  });

  test("has null for a path that finds nothing", () => {
    expect(mapOutput({ output_mapping }, {})).toEqual({ block_status: null, rule_id: null, first: null });
  });

  test("holds a result that is no object beside the variables", () => {
    expect(mapOutput({ output_mapping: { first: "result[0]" } }, [5])).toEqual({ result: [5], first: 5 });
    expect(mapOutput({}, [5])).toEqual([5]);
  });

  test("reads own data only, and keeps a __proto__ key a key", () => {
    const result = JSON.parse('{"__proto__": {"polluted": true}, "data": {}}') as Json;
    const output = mapOutput({ output_mapping: { a: "result.data.toString" } }, result);
    expect(Object.hasOwn(output as object, "__proto__")).toBe(true);
    expect(output).toMatchObject({ a: null });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
