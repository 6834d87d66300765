import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Permission, permissionsOf } from "../../src/tenancy/permissions.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { definitionOf, playbookSource } from "./root-fields.ts";
import { codesOf, mutate, send } from "./strangers.ts";

const roles = ["viewer", "operator", "author", "admin", "agent", "security_lead"] as const;

describe("the roles", () => {
  test("that may write what is executed may execute all of it themselves", () => {
    const executes: readonly Permission[] = ["run:execute", "live-action:dispatch", "event:emit"];
    for (const role of roles) {
      const given = permissionsOf([role]);
      const mayWrite = given.has("action:write") || given.has("playbook:write");
      if (mayWrite) expect([role, executes.filter((permission) => !given.has(permission))]).toEqual([role, []]);
    }
  });

  test("of people each give all that the one before gives", () => {
    const ladder = (["viewer", "operator", "author", "admin"] as const).map((role) => permissionsOf([role]));
    for (const [index, lower] of ladder.entries()) {
      const next = ladder[index + 1];
      if (next) expect([...lower].filter((permission) => !next.has(permission))).toEqual([]);
    }
  });

  test("of agents give one permission, which no other role gives", () => {
    expect([...permissionsOf(["agent"])]).toEqual(["agent:work"]);
    for (const role of roles) if (role !== "agent") expect(permissionsOf([role]).has("agent:work")).toBe(false);
  });

  test("that are free give nothing, whatever they are called", () => {
    for (const role of ["security_lead", "constructor", "__proto__", "toString", "Admin", "admin "]) {
      expect(permissionsOf([role]).size).toBe(0);
    }
  });
});

describe("who may not execute something", () => {
  let server: TestServer;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    server = await startTestServer();
    for (const role of ["viewer", "operator", "author"]) {
      const input = { name: role, roles: [role] };
      const { token } = await mutate<{ token: string }>(server, server.adminToken, "createApiToken", "token", input);
      tokens.set(role, token);
    }
    await mutate(server, server.adminToken, "registerAction", "action { id }", { definition: definitionOf("shut") });
  });
  afterAll(() => server.close());

  const as = (role: string, name: string, input: object) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
    const query = `mutation ($input: ${type}!) { ${name}(input: $input) { __typename } }`;
    return send(server, tokens.get(role) ?? null, query, { input });
  };

  test("can't have a playbook of their own do it, nor an action", async () => {
    for (const role of ["viewer", "operator"]) {
      for (const [name, input] of [
        ["registerPlaybook", { source: playbookSource("mine", "shut") }],
        ["rollbackPlaybook", { key: "mine", version: "1.0.0" }],
        ["setPlaybookEnabled", { key: "mine", enabled: true }],
        ["registerAction", { definition: definitionOf("own") }],
        ["registerActionVersion", { definition: definitionOf("shut", { version: "1.0.1" }) }],
        ["setActionEnabled", { ref: "shut", enabled: true }],
      ] as const) {
        expect([role, name, codesOf(await as(role, name, input))]).toEqual([role, name, ["FORBIDDEN"]]);
      }
    }
  });

  test("can't have a schedule or an event do it by a playbook that they write", async () => {
    const scheduled = playbookSource("mine", "shut").replace("{event: manual}", '{event: schedule, cron: "* * * * *"}');
    expect(codesOf(await as("operator", "registerPlaybook", { source: scheduled }))).toEqual(["FORBIDDEN"]);
    expect(codesOf(await as("viewer", "emitEvent", { type: "finding.new", data: {} }))).toEqual(["FORBIDDEN"]);
  });

  test("is not an author: whoever may write a playbook may execute what it calls", async () => {
    expect(codesOf(await as("author", "executeAction", { ref: "shut" }))).toEqual([]);
    expect(codesOf(await as("author", "registerPlaybook", { source: playbookSource("mine", "shut") }))).toEqual([]);
  });
});
