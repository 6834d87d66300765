import { readFile } from "node:fs/promises";
import { type DocumentNode, type FragmentDefinitionNode, Kind, parse, print } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { codesOf, send } from "./strangers.ts";

let server: TestServer;
let operations: DocumentNode;

beforeAll(async () => {
  server = await startTestServer();
  operations = parse(
    await readFile(new URL("../../client/operations/administration.graphql", import.meta.url), "utf8"),
  );
});
afterAll(() => server.close());

/** Sends an operation of the clients' own document, word for word. */
async function call<Data = Record<string, never>>(name: string, variables: object = {}, token = server.adminToken) {
  const definitions = operations.definitions.filter(
    (definition): definition is Exclude<typeof definition, FragmentDefinitionNode> =>
      definition.kind === Kind.OPERATION_DEFINITION && definition.name?.value === name,
  );
  const answer = await send(server, token, print({ kind: Kind.DOCUMENT, definitions }), variables);
  return answer as typeof answer & { data: Data };
}

interface Created {
  createApiToken: { __typename: string; token: string; apiToken: { id: string; name: string; roles: string[] } };
}

describe("the administration's documents", () => {
  test("tell who is asking", async () => {
    expect((await call("Viewer")).data).toMatchObject({
      viewer: { kind: "TOKEN", name: "ADMIN_TOKEN", roles: ["admin"], tenant: { name: "default" } },
    });
  });

  test("make a token that works until it is revoked, and not a moment longer", async () => {
    const { data } = await call<Created>("CreateApiToken", { input: { name: "ci", roles: ["viewer"] } });
    const { token, apiToken } = data.createApiToken;
    expect((await call("Viewer", {}, token)).data).toMatchObject({ viewer: { name: "ci", roles: ["viewer"] } });
    expect(codesOf(await call("ApiTokens", {}, token))).toEqual(["FORBIDDEN"]);
    const revoke = () => call("RevokeApiToken", { input: { id: apiToken.id } });
    const revoked = await revoke();
    expect(revoked.data).toMatchObject({
      revokeApiToken: { __typename: "RevokeApiTokenPayload", apiToken: { id: apiToken.id } },
    });
    expect(codesOf(await call("Viewer", {}, token))).toEqual(["UNAUTHENTICATED"]);
    expect((await revoke()).data).toEqual(revoked.data);
    const list = await call("ApiTokens");
    expect(JSON.stringify(list.data)).toContain(apiToken.id);
    expect(JSON.stringify(list.data)).not.toContain(token);
  });

  test("let a token revoke itself", async () => {
    const { data } = await call<Created>("CreateApiToken", { input: { name: "short-lived", roles: ["admin"] } });
    const { token, apiToken } = data.createApiToken;
    expect((await call("RevokeApiToken", { input: { id: apiToken.id } }, token)).errors).toBeUndefined();
    expect(codesOf(await call("Viewer", {}, token))).toEqual(["UNAUTHENTICATED"]);
  });

  test("make a tenant whose admin is alone in it, and may not make another", async () => {
    const { data } = await call<{ createTenant: { token: string } }>("CreateTenant", { input: { name: "acme" } });
    const { token } = data.createTenant;
    expect((await call("Viewer", {}, token)).data).toMatchObject({
      viewer: { roles: ["admin"], tenant: { name: "acme" } },
    });
    expect((await call("ApiTokens", {}, token)).data).toMatchObject({
      apiTokens: { edges: [{ node: { name: "first admin" } }] },
    });
    expect(codesOf(await call("CreateTenant", { input: { name: "acme" } }, token))).toEqual(["FORBIDDEN"]);
    expect((await call("CreateTenant", { input: { name: "acme" } })).data).toMatchObject({
      createTenant: { __typename: "ConflictFailure", code: "name_taken" },
    });
  });

  test("change the tenant's settings", async () => {
    const input = { allowSelfApproval: true };
    expect((await call("UpdateTenantSettings", { input })).data).toMatchObject({
      updateTenantSettings: { settings: { allowSelfApproval: true, newActionsStartDisabled: false } },
    });
    expect((await call("TenantSettings")).data).toEqual({
      tenantSettings: { allowSelfApproval: true, newActionsStartDisabled: false },
    });
    expect((await call("UpdateTenantSettings", { input: {} })).data).toMatchObject({
      updateTenantSettings: { __typename: "ValidationFailure" },
    });
  });
});

describe("an object by its id", () => {
  test("of a type that the caller may not read is refused whether it is there or not", async () => {
    const { data } = await call<Created>("CreateApiToken", { input: { name: "reader", roles: ["viewer"] } });
    const there = data.createApiToken.apiToken.id;
    const never = Buffer.from(`ApiToken:${crypto.randomUUID()}`).toString("base64");
    const ask = (id: string) =>
      send(server, data.createApiToken.token, "query ($id: ID!) { node(id: $id) { id } }", { id });
    expect(codesOf(await ask(there))).toEqual(["FORBIDDEN"]);
    expect(await ask(never)).toEqual(await ask(there));
  });

  test("is asked for at most a page at once", async () => {
    const ids = Array.from({ length: 101 }, () => Buffer.from(`ApiToken:${crypto.randomUUID()}`).toString("base64"));
    const answer = await send(server, server.adminToken, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids });
    expect(codesOf(answer)).toEqual(["BAD_USER_INPUT"]);
  });
});
