import { describe, expect, test } from "vitest";
import { neededSecrets } from "../../src/actions/prepare-invocation.ts";
import { simulateInvocation } from "../../src/actions/simulate-invocation.ts";
import { checked, problems, remote } from "./definitions.ts";
import { call, good, prepare, violations } from "./invocations.ts";

const headers = { Authorization: { $secret: "fw-token" }, "X-Key": "{{ parameters.fw_api_key }}" };
const stored = { ...good.stored, "fw-token": "Bearer s3cr3t-of-the-header" };

describe("a header that names a secret of the credential store", () => {
  test("has its value, which is masked like any other secret", () => {
    const prepared = prepare(remote({ headers }), { ...good, stored });
    expect(call(prepared)).toMatchObject({ headers: { Authorization: stored["fw-token"], "X-Key": "s3cr3t-key" } });
    expect(prepared).toMatchObject({ secrets: ["s3cr3t-key", "Bearer s3cr3t-of-the-header"] });
  });

  test("is asked for by its name", () => {
    expect(neededSecrets(checked(remote({ headers })), {})).toEqual(["fw_api_key", "fw-token"]);
  });

  test("is refused where the store has none, without the executor being called", () => {
    const prepared = prepare(remote({ headers }), good);
    expect(violations(prepared)).toEqual(["$.executor.headers.Authorization secret_not_found"]);
  });

  test("is refused where it would begin another header, and its value is not quoted", () => {
    const prepared = prepare(remote({ headers }), { ...good, stored: { ...stored, "fw-token": "s3cr3t\r\nHost: x" } });
    expect(violations(prepared)).toEqual(["$.executor.headers.Authorization invalid_header"]);
    expect(JSON.stringify(prepared)).not.toContain("s3cr3t\\r");
  });

  test("is shown as *** where the call is only simulated", () => {
    const simulated = simulateInvocation({
      ...{ definition: checked(remote({ headers })), scope: {}, givenSecrets: {} },
      ...{ parameters: good.parameters, storedSecrets: new Map(Object.entries(stored)) },
    });
    expect(simulated).toMatchObject({ output: { request: { headers: { Authorization: "***", "X-Key": "***" } } } });
    expect(JSON.stringify(simulated)).not.toContain("s3cr3t");
  });

  test("is written exactly so", () => {
    expect(problems(remote({ headers }))).toEqual([]);
    for (const value of [{ $secret: "no name" }, { $secret: 5 }, { $secret: "a", more: "b" }, { secret: "a" }, 5])
      expect(problems(remote({ headers: { Authorization: value } }))[0]).toMatch(
        /^\$\.executor\.headers\.Authorization/,
      );
    expect(problems(remote({ target: { $secret: "a" } as never }))[0]).toMatch(/^\$\.executor\.target/);
  });
});
