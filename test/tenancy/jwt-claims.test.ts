import { describe, expect, test } from "vitest";
import { isUuid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { claimAt, personId, personOf } from "../../src/tenancy/jwt-claims.ts";
import type { JwtProvider } from "../../src/tenancy/jwt-provider.ts";
import { settingsOf } from "./identity-provider.ts";

const jwksUrl = new URL("https://sso.example/certs");
const read = (claims: JsonObject, fields: Partial<JwtProvider> = {}) =>
  personOf(
    { sub: "alice", tenant: "default", ...claims },
    settingsOf({ issuer: "https://sso.example", jwksUrl }, fields),
  );

describe("the id of a person", () => {
  test("is a UUID that nobody else has", () => {
    const pairs = [
      ["a", "b"],
      ["ab", ""],
      ["a", "B"],
      ["a b", ""],
      ['a","b', ""],
    ] as const;
    const ids = pairs.map(([issuer, subject]) => personId(issuer, subject));
    expect(ids.every(isUuid)).toBe(true);
    expect(new Set(ids).size).toBe(pairs.length);
    // What is stored with runs and approvals must not change with a version of this product.
    expect(personId("https://sso.example", "alice")).toBe("53154b5c-2447-8eec-a1f1-aabd6623fdd3");
  });
});

describe("the name of a person", () => {
  test.each([
    [{ email: "a@example.com", preferred_username: "alice" }, "a@example.com"],
    [{ email: "a@example.com", email_verified: true }, "a@example.com"],
    [{ email: "boss@example.com", email_verified: false, preferred_username: "alice" }, "alice"],
    [{ email: " ", preferred_username: "al\u202eice" }, /^member /],
    [{ email: "x".repeat(limits.nameLengthMax + 1) }, /^member /],
    [{ email: ["a@example.com"], name: "Alice" }, /^member /],
    [{ email: "ADMIN_TOKEN" }, /^member /],
    [{}, /^member [0-9a-f-]{36}$/],
  ])("of %j is %s", (claims, name) => {
    expect(read(claims).name).toMatch(name);
  });

  test("is what the operator says it is", () => {
    expect(read({ email: "a@example.com", name: "Alice" }, { nameClaims: ["name"] }).name).toBe("Alice");
  });
});

describe("the roles of a person", () => {
  test.each([
    [{ roles: ["viewer", "security_lead", "viewer"] }, ["viewer", "security_lead"]],
    [{ roles: "viewer author" }, ["viewer", "author"]],
    [
      { roles: ["Not A Role", "x y", 7, null, { role: "admin" }, ["admin"], "default-roles-soc"] },
      ["default-roles-soc"],
    ],
    [{ roles: ["agent", "viewer"] }, ["viewer"]],
    [{ roles: { admin: true } }, []],
    [{}, []],
  ])("of %j are %j", (claims, roles) => {
    expect(read(claims).roles).toEqual(roles);
  });

  test("are those of the map alone, where there is one", () => {
    const roleMap = new Map([
      ["SOC Analysts", "operator"],
      ["Leads", "security_lead"],
      ["Robots", "agent"],
    ]);
    expect(read({ roles: ["SOC Analysts", "Leads", "Robots", "admin", "__proto__"] }, { roleMap }).roles).toEqual([
      "operator",
      "security_lead",
    ]);
  });

  test("are found by a dotted path, whose names may hold dots", () => {
    const claims = {
      realm_access: { roles: ["viewer"] },
      resource_access: { "soc.console": { roles: ["operator"] } },
      "https://riposte.example/roles": ["author"],
    };
    const at = (rolesClaim: string) => read(claims, { rolesClaim }).roles;
    expect(at("realm_access.roles")).toEqual(["viewer"]);
    expect(at("resource_access.soc.console.roles")).toEqual(["operator"]);
    expect(at("https://riposte.example/roles")).toEqual(["author"]);
    expect(at("realm_access.roles.0")).toEqual([]);
    for (const path of ["constructor.name", "__proto__", "realm_access.toString"]) {
      expect(claimAt(claims, path)).toBeUndefined();
    }
  });

  test("beyond what a caller may have are refused, rather than some of them lost", () => {
    const roles = Array.from({ length: limits.rolesMax + 1 }, (_, index) => `role_${index}`);
    expect(() => read({ roles })).toThrow("too_many_roles");
  });
});

describe("the tenant of a person", () => {
  test("is the provider's, or what the claim says", () => {
    expect(read({ org: { id: "customer" } }, { tenant: { claim: "org.id" } }).tenant).toBe("customer");
    expect(read({ tenant: "other" }, { tenant: { name: "customer" } }).tenant).toBe("customer");
  });
});
