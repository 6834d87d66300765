import { describe, expect, test } from "vitest";
import { neededSecrets } from "../../src/actions/prepare-invocation.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { blockIp, checked, localAction, remoteAction } from "./definitions.ts";
import { call, good, oneParameter, prepare, violations } from "./invocations.ts";

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

  test("of an agent's action is a call for the agent that its target names, which is told what is a secret", () => {
    const definition = remoteAction({ executor: { type: "opservant", target: "agent-1", entry: "block_ip.py" } });
    expect(call(prepare(definition, good))).toEqual({
      type: "opservant",
      agentId: "agent-1",
      entry: "block_ip.py",
      arguments: { ip_address: "10.1.2.3", duration_hours: 24, fw_api_key: "s3cr3t-key" },
      parameterNames: ["ip_address", "duration_hours", "fw_api_key"],
      secretNames: new Set(["fw_api_key"]),
    });
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
