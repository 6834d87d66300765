import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { remote, remoteAction } from "./definitions.ts";
import { call, good, oneParameter, prepare, violations } from "./invocations.ts";

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
