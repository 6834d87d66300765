import { describe, expect, test } from "vitest";
import type { Invocation } from "../../src/actions/prepare-invocation.ts";
import { type Simulated, simulateInvocation } from "../../src/actions/simulate-invocation.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { formatPath, type Path } from "../../src/expressions/paths.ts";
import { blockIp, checked, file, localAction, remote, remoteAction } from "./definitions.ts";
import { good, oneParameter, prepare } from "./invocations.ts";

type Given = Partial<Omit<Invocation, "definition" | "storedSecrets">> & {
  readonly stored?: Readonly<Record<string, string>>;
};

function simulate(definition: JsonObject, { stored = {}, ...given }: Given = {}): Simulated {
  return simulateInvocation({
    definition: checked(definition, [file("block_ip.py"), file("block.sh"), file("run")]),
    parameters: {},
    scope: {},
    givenSecrets: {},
    storedSecrets: new Map(Object.entries(stored)),
    ...given,
  });
}

const outputOf = (simulated: Simulated) => (simulated.kind === "simulated" ? simulated.output : simulated);

/** The outputs of a step can't be known. */
const unknowns = (...names: string[]) => ({
  standIn: (path: Path) => (path[0] === "steps" ? `{{ ${formatPath(path)} }}` : undefined),
  names: new Set(names),
});
const found = "{{ steps.find.output.id }}";

describe("a simulated remote call", () => {
  test("is shown as it would be sent, secrets as ***", () => {
    const headers = { Authorization: "Bearer {{ parameters.fw_api_key }}", "X-Trace": "{{ run.id }}" };
    const target = "https://firewall.internal/hosts/{{ parameters.ip_address }}/x?y={{ env.team }}";
    const scope = { run: { id: "r1" }, env: { team: "a b" } };
    expect(outputOf(simulate(remote({ target, headers }), { ...good, scope }))).toEqual({
      simulated: true,
      executor: "remote",
      request: {
        method: "POST",
        url: "https://firewall.internal/hosts/10.1.2.3/x?y=a%20b",
        headers: { Authorization: "Bearer ***", "X-Trace": "r1" },
        body: { duration_hours: 24 },
      },
    });
  });

  test.each(["k", "s3", "s3cr3t-key/+ü", "\"quote\\\n'"])("never shows the secret %j, wherever it stands", (secret) => {
    const definition = remote(
      {
        target: "https://hooks.example/{{ parameters.fw_api_key }}/send",
        headers: { "X-Key": "k={{ parameters.fw_api_key }}", "X-Lone": "{{ parameters.fw_api_key }}" },
      },
      {
        input_mapping: {
          deep: { list: ["{{ parameters.fw_api_key }}", "a {{ parameters.fw_api_key }} b"] },
          ip: "{{ parameters.ip_address }}",
        },
      },
    );
    const given = { ...good, stored: { fw_api_key: secret } };
    if (secret.includes("\n")) expect(simulate(definition, given).kind).toBe("refused");
    else
      expect(outputOf(simulate(definition, given))).toMatchObject({
        request: {
          url: "https://hooks.example/***/send",
          headers: { "X-Key": "k=***", "X-Lone": "***" },
          body: { deep: { list: ["***", "a *** b"] }, ip: "10.1.2.3" },
        },
      });
  });

  test("masks a secret that stands in another value, too, and keeps its own names", () => {
    const stored = { fw_api_key: "headers" };
    const definition = remoteAction({
      executor: { type: "remote", target: "https://a.example/{{ env.path }}" },
    });
    const scope = { env: { path: "x/headers" } };
    const simulated = simulate(definition, { ...good, stored, scope });
    expect(outputOf(simulated)).toMatchObject({ request: { url: "https://a.example/x%2F***", headers: {} } });
  });

  test("shows a target that is a secret as a whole", () => {
    const definition = {
      ...oneParameter({ name: "hook", type: "secret", required: true }),
      parameters: [{ name: "hook", type: "secret", required: true }],
      executor: { type: "remote", target: "{{ parameters.hook }}" },
    };
    const given = { stored: { hook: "https://hooks.example/T0/B0/x" } };
    expect(outputOf(simulate(definition, given))).toMatchObject({ request: { url: "***" } });
    expect(simulate(definition, { stored: { hook: "no url" } }).kind).toBe("refused");
    expect(simulate(definition, { stored: { hook: "https://u:p@hooks.example/" } })).toMatchObject({
      kind: "failed",
      error: { code: "invalid_url" },
    });
  });

  test.each(["GET", "DELETE"])("of %s shows its query, without secrets", (method) => {
    expect(outputOf(simulate(remote({ method }), good))).toMatchObject({
      request: { method, query: { ip_address: "10.1.2.3", duration_hours: 24 } },
    });
    expect(JSON.stringify(simulate(remote({ method }), good))).not.toContain("s3cr3t-key");
  });

  test("is refused and skipped exactly as in production", () => {
    const bad = { parameters: { ip_address: "x", nope: 1 } };
    expect(simulate(remoteAction(), bad)).toEqual(prepare(remoteAction(), bad));
    expect(simulate(remoteAction())).toEqual(prepare(remoteAction()));
    expect(simulate(blockIp)).toEqual(prepare(blockIp));
    const dots = oneParameter(
      { type: "string" },
      { executor: { type: "remote", target: "https://a.example/{{ parameters.value }}/x" } },
    );
    expect(simulate(dots, { parameters: { value: ".." } })).toEqual(prepare(dots, { parameters: { value: ".." } }));
  });
});

describe("what a dry run can't know", () => {
  test("breaks no rule, and is named and shown as it is written", () => {
    const definition = remote({ target: "https://a.example/hosts/{{ parameters.ip_address }}" });
    const parameters = { ip_address: found, duration_hours: 3 };
    const simulated = simulate(definition, { ...good, parameters, unknowns: unknowns("ip_address") });
    expect(simulated).toMatchObject({
      input: { ip_address: found, duration_hours: 3, fw_api_key: "***" },
      output: {
        request: { url: `https://a.example/hosts/${found}`, body: { duration_hours: 3 } },
        unknown: ["ip_address"],
      },
    });
  });

  test("does not hide what is wrong elsewhere", () => {
    const parameters = { ip_address: found, duration_hours: "3" };
    expect(simulate(remoteAction(), { ...good, parameters, unknowns: unknowns("ip_address") })).toMatchObject({
      kind: "refused",
      issues: [{ path: "$.parameters.duration_hours", code: "wrong_type" }],
    });
  });

  test("makes unknown what is mapped from it, and what the definition reads by itself is shown as written", () => {
    const definition = remote(
      { headers: { "X-Id": "id {{ steps.find.output.id }}" } },
      {
        parameters: [
          { name: "host", type: "string", validation: { pattern: "^h" } },
          { name: "label", type: "string", required: true, validation: { pattern: "^h" } },
        ],
        input_mapping: {
          label: "on {{ parameters.host }}",
          plain: "{{ steps.find.output.n }}",
          same: "{{ finding.n }}",
        },
      },
    );
    const scope = { finding: { n: 7 } };
    const simulated = simulate(definition, { parameters: { host: found }, scope, unknowns: unknowns("host") });
    expect(outputOf(simulated)).toMatchObject({
      request: {
        headers: { "X-Id": `id ${found}` },
        body: { label: `on ${found}`, plain: "{{ steps.find.output.n }}", same: 7 },
      },
      unknown: ["host", "label"],
    });
  });

  test("is shown as *** for a secret", () => {
    const parameters = { ip_address: "10.1.2.3", fw_api_key: "{{ steps.login.output.token }}" };
    const simulated = simulate(remoteAction(), { parameters, unknowns: unknowns("fw_api_key") });
    expect(simulated).toMatchObject({
      input: { fw_api_key: "***" },
      output: { request: { body: { fw_api_key: "***" } }, unknown: ["fw_api_key"] },
    });
  });

  test("leaves conditions open that would decide by it, and only those", () => {
    const rule = (field: string, value: number) => ({ field, op: "gte", value });
    const conditioned = (rules: JsonObject[]) => remoteAction({ conditions: { operator: "and", rules } });
    const given = { ...good, unknowns: unknowns() };
    const open = simulate(conditioned([rule("{{ steps.find.output.score }}", 7)]), given);
    expect(open).toMatchObject({
      kind: "simulated",
      warnings: ["Whether its conditions hold can't be known: it is as if they did."],
    });
    const scope = { finding: { cvss: 3 } };
    const rules = [rule("{{ steps.find.output.score }}", 7), rule("{{ finding.cvss }}", 7)];
    expect(simulate(conditioned(rules), { ...given, scope }).kind).toBe("skipped");
    expect(simulate(conditioned([rule("{{ finding.nothing }}", 7)]), given).kind).toBe("skipped");
  });
});

describe("a simulated script", () => {
  const parameters = { ip_address: "10.1.2.3" };

  test("is shown with its program and its stdin", () => {
    expect(outputOf(simulate(localAction(), { ...good, parameters }))).toEqual({
      simulated: true,
      executor: "local",
      command: ["python3", "./block_ip.py"],
      stdin: { ip_address: "10.1.2.3", duration_hours: 24, fw_api_key: "***" },
    });
  });

  test("of a shell has its arguments in declared order, secrets left out", () => {
    const executor = { type: "local", target: "block.sh" };
    expect(outputOf(simulate(localAction({ executor }), { ...good, parameters }))).toMatchObject({
      command: ["bash", "./block.sh", "10.1.2.3", "24"],
    });
    const broken = { ip_address: "10.1.2.3", duration_hours: 1 };
    const nul = simulate(localAction({ executor }), { parameters: broken, stored: { fw_api_key: "a\0b" } });
    expect(nul).toMatchObject({ kind: "failed", error: { code: "invalid_argument" } });
  });

  test("that names its program in its first line is shown without that", () => {
    const script = { path: "run", content: Buffer.from("#!/bin/sh\n"), executable: true };
    const definition = checked(localAction({ executor: { type: "local", target: "run" } }), [script]);
    const inputs = { scope: {}, givenSecrets: {}, storedSecrets: new Map([["fw_api_key", "k"]]) };
    const simulated = simulateInvocation({ definition, parameters, ...inputs });
    expect(simulated).toMatchObject({
      output: { command: ["./run"] },
      warnings: [expect.stringContaining("first line")],
    });
  });

  test("of an agent is shown, though no agent can be asked yet", () => {
    const executor = { type: "opservant", target: "agent-1", entry: "block_ip.py" };
    expect(outputOf(simulate(remoteAction({ executor }), good))).toEqual({
      simulated: true,
      executor: "opservant",
      target: "agent-1",
      entry: "block_ip.py",
      stdin: { ip_address: "10.1.2.3", duration_hours: 24, fw_api_key: "***" },
    });
  });
});
