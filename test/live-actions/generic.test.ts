import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { AdapterCall } from "../../src/live-actions/adapter.ts";
import { blockDomain } from "../../src/live-actions/vendors/generic.ts";

/** A call whose every means of reaching somebody is missing, with what a DNS filter's adapter would take for credentials. */
function callFor(target: string): AdapterCall {
  const params: JsonObject = { cf_api_token: "token", cf_zone_id: "zone" };
  const http = new Proxy({}, { get: (_target, name) => expect.fail(`it reached for http.${String(name)}`) });
  return {
    requestId: "r",
    target,
    params,
    credentials: {},
    http,
    signal: AbortSignal.timeout(1_000),
  } as AdapterCall;
}

const requestFor = (target: string) => ({ requestId: "r", target, params: {} });

describe("generic block_domain", () => {
  test("is always simulated, and says so in its result and its description", async () => {
    const result = await blockDomain.execute(callFor("Evil.Example."));
    expect(result).toEqual({
      status: "SIMULATED",
      summary: "Nothing was blocked: generic block_domain is a placeholder, and nobody was told of evil.example.",
      details: {
        domain: "evil.example",
        dns_block_id: "SIM-DNS-evil.example",
        note: "Simulation mode: generic block_domain never contacts anybody.",
      },
    });
    expect(blockDomain.description).toContain("always simulated");
    expect(blockDomain.credentials).toEqual([]);
    expect(blockDomain.rollback).toBeUndefined();
    expect(blockDomain.irreversible).toContain("nothing to undo");
  });

  test("previews the same block", () => {
    expect(blockDomain.preview(requestFor("evil.example"))).toEqual({
      domain: "evil.example",
      dns_block_id: "SIM-DNS-evil.example",
    });
  });

  test.each([
    ["bücher.example", "xn--bcher-kva.example"],
    [" a_b.evil.example ", "a_b.evil.example"],
    ["XN--BCHER-KVA.example", "xn--bcher-kva.example"],
  ])("takes %j for %s", (target, domain) => {
    expect(blockDomain.check?.(requestFor(target))).toBeUndefined();
    expect(blockDomain.preview(requestFor(target))).toMatchObject({ domain });
  });

  test.each([
    ...[
      "",
      "localhost",
      "192.0.2.1",
      "2001:db8::1",
      "http://evil.example/",
      "evil.example/x",
      "*.evil.example",
      "-a.example",
    ],
    ...[
      "a..example",
      `${"a".repeat(64)}.example`,
      `${"a.".repeat(130)}example`,
      "evil .example",
      "evil.example\nx",
      "\ud800.example",
    ],
  ])("refuses %j as a domain", (target) => {
    expect(blockDomain.check?.(requestFor(target))).toMatchObject({ error: "invalid_target" });
  });
});
