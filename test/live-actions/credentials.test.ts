import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { CredentialParam } from "../../src/live-actions/adapter.ts";
import { isConfigured, partCredentials, planCredentials } from "../../src/live-actions/credentials.ts";
import { scriptedAdapter } from "./adapters.ts";

const adapter = scriptedAdapter();
const known = new Map(
  [...adapter.credentials, { name: "okta_api_token", isRequired: true, isSecret: true, description: "" } as const].map(
    (param): [string, CredentialParam] => [param.name, param],
  ),
);
const part = (params: JsonObject) => partCredentials(known, params);
const plan = (params: JsonObject, stored: string[] = [], mayRedirect = false) => {
  const { sources, ...rest } = planCredentials(adapter, {
    given: part(params).given,
    stored: new Set(stored),
    mayRedirect,
  });
  return { ...rest, sources: Object.fromEntries(sources) };
};

describe("the params of a request", () => {
  test("are parted from the credentials of every vendor, whoever is asked", () => {
    const { params, given, issues } = part({ acme_token: "t", okta_api_token: { $secret: "okta" }, pid: 7 });
    expect({ params, issues }).toEqual({ params: { pid: 7 }, issues: [] });
    expect(Object.fromEntries(given)).toEqual({ acme_token: { text: "t" }, okta_api_token: { secret: "okta" } });
  });

  test("hold no credential where it is empty or null, and none is left in them", () => {
    const { params, given } = part({ acme_token: "", acme_id: null });
    expect([params, given.size]).toEqual([{}, 0]);
  });

  test("may say numbers and truths where nothing is secret", () => {
    const { given } = part({ acme_id: 7, acme_url: false });
    expect(Object.fromEntries(given)).toEqual({ acme_id: { text: "7" }, acme_url: { text: "false" } });
  });

  test.each([[7], [true], [["t"]], [{ $secret: 7 }], [{ $secret: "a b" }], [{ $secret: "a", more: 1 }]])(
    "are refused with %j for a credential, without quoting it",
    (value) => {
      const { issues, params } = part({ acme_token: value as JsonObject });
      expect(issues).toMatchObject([{ path: "$.params.acme_token", code: "wrong_type" }]);
      expect(params).toEqual({});
    },
  );
});

describe("the credentials of a call", () => {
  test("come from the request, else from the secret of the same name", () => {
    expect(plan({ acme_id: "me" }, ["acme_id", "acme_token"])).toEqual({
      sources: { acme_id: { text: "me" }, acme_token: { secret: "acme_token" } },
      missing: [],
      isWithheld: false,
    });
  });

  test("are this adapter's own", () => {
    expect(plan({ okta_api_token: "o" }, ["okta_api_token"]).sources).toEqual({});
  });

  test("are told where they are missing, all or some of them, and where a named secret is not there", () => {
    expect(plan({}).missing).toEqual(["acme_id", "acme_token"]);
    expect(plan({ acme_id: "me" }).missing).toEqual(["acme_token"]);
    expect(plan({ acme_id: "me", acme_token: { $secret: "gone" } }, ["acme_token"]).missing).toEqual(["acme_token"]);
  });

  test("that are stored do not go to an address that the caller chose, unless the caller could have stored it", () => {
    const params = { acme_url: "https://evil.example" };
    const stored = ["acme_id", "acme_token"];
    expect(plan(params, stored)).toMatchObject({ missing: stored, isWithheld: true });
    const referred = { ...params, acme_id: "me", acme_token: { $secret: "acme_token" } };
    expect(plan(referred, stored)).toMatchObject({ missing: ["acme_token"], isWithheld: true });
    expect(plan(params, stored, true)).toMatchObject({ missing: [], isWithheld: false });
    expect(plan({ ...params, acme_id: "me", acme_token: "mine" }).missing).toEqual([]);
    expect(plan({ acme_url: { $secret: "acme_url" } }, [...stored, "acme_url"]).missing).toEqual([]);
    const shown = { acme_id: { $secret: "acme_id" }, acme_token: "my-own" };
    expect(plan(shown, stored)).toMatchObject({ missing: ["acme_id"], isWithheld: true });
    expect(plan(shown, stored, true)).toMatchObject({ missing: [], isWithheld: false });
  });
});

describe("a parameter that says where the vendor is", () => {
  const planFor = (name: string) => {
    const address: CredentialParam = { name, isRequired: false, isSecret: false, description: "" };
    const token: CredentialParam = { name: "bolt_token", isRequired: true, isSecret: true, description: "" };
    const bolt = scriptedAdapter({ vendorId: "bolt", credentials: [token, address] });
    const given = new Map([[name, { text: "evil.example" }]]);
    return planCredentials(bolt, { given, stored: new Set(["bolt_token"]), mayRedirect: false });
  };

  test.each([
    "bolt_url",
    "bolt_api_endpoint",
    "bolt_server",
    "bolt_uri",
    "bolt_hostname",
    "bolt_proxy",
    "bolt_verify_tls",
  ])("is known by its name: %s", (name) => {
    expect(planFor(name)).toMatchObject({ missing: ["bolt_token"], isWithheld: true });
  });

  test("is none where it is a region or an index", () => {
    for (const name of ["bolt_region", "bolt_index", "bolt_urls_seen"])
      expect(planFor(name)).toMatchObject({ missing: [], isWithheld: false });
  });
});

describe("an adapter with several ways to sign in", () => {
  const by = (group: string | string[], name: string): CredentialParam => ({
    name,
    isRequired: { group },
    isSecret: true,
    description: "",
  });
  const several = scriptedAdapter({
    credentials: [by("token", "s_token"), by("password", "s_user"), by("password", "s_password")],
  });
  const missing = (...stored: string[]) =>
    planCredentials(several, { given: new Map(), stored: new Set(stored), mayRedirect: false }).missing;

  test("needs all of one", () => {
    expect(isConfigured(several, new Set(["s_token"]))).toBe(true);
    expect(isConfigured(several, new Set(["s_user", "s_password"]))).toBe(true);
    expect(isConfigured(several, new Set(["s_user"]))).toBe(false);
  });

  test("misses what its nearest way lacks", () => {
    expect(missing()).toEqual(["s_token"]);
    expect(missing("s_password")).toHaveLength(1);
  });
});
