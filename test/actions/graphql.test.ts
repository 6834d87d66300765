import { readFileSync } from "node:fs";
import path from "node:path";
import { type DocumentNode, parse, print, visit } from "graphql";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Tenant } from "../../src/tenancy/entities.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeTenant, makeToken } from "../tenancy/tenancy-fixtures.ts";
import { blockIp, localAction, remoteAction } from "./definitions.ts";

let server: TestServer;
let tenant: Tenant;
beforeAll(async () => {
  server = await startTestServer();
  tenant = (await server.orm.em.fork().findAll(Tenant, { limit: 1 }))[0]!;
});
afterAll(() => server.close());

/** One operation of what clients send, with the fragments it needs. */
function operation(name: string): string {
  const text = readFileSync(path.join(import.meta.dirname, "../../client/operations/actions.graphql"), "utf8");
  const { definitions } = parse(text) satisfies DocumentNode;
  const named = new Map(
    definitions.map((definition) => ["name" in definition ? definition.name?.value : "", definition]),
  );
  const wanted = new Set([name]);
  for (const used of wanted) {
    visit(named.get(used)!, { FragmentSpread: (spread) => void wanted.add(spread.name.value) });
  }
  return [...wanted].map((used) => print(named.get(used)!)).join("\n");
}

// biome-ignore lint/suspicious/noExplicitAny: answers of documents that are read at run time
type Answer = any;

function send(name: string, variables: Record<string, unknown> = {}, token?: string): Promise<Answer> {
  return server.client(token).request(operation(name), variables);
}

async function register(definition: unknown, files?: unknown): Promise<Answer> {
  return (await send("RegisterAction", { input: { definition, files } })).registerAction;
}

describe("the API of actions", () => {
  test("registers, shows, grows, rolls back, withdraws and disables an action by the clients' own documents", async () => {
    const first = await register(blockIp);
    expect(first).toMatchObject({
      __typename: "RegisterActionPayload",
      action: {
        uuid: blockIp["id"],
        name: "block-ip-on-firewall",
        type: "CONTAINMENT",
        enabled: true,
        activeVersion: { version: "1.2.0", timeoutSeconds: 60, executor: { type: "REMOTE", method: "POST" } },
      },
      version: { version: "1.2.0", status: "REGISTERED" },
    });
    expect(first.action.activeVersion.parameters).toMatchObject([
      { name: "ip_address", label: "IP Address", type: "STRING", required: true, default: null },
      { name: "duration_hours", type: "INTEGER", required: false, default: 24, validation: { min: 1, max: 8760 } },
      { name: "direction", type: "ENUM" },
      { name: "api_key", type: "SECRET", description: null, validation: null },
    ]);
    const second = (await send("RegisterActionVersion", { input: { definition: { ...blockIp, version: "1.2.1" } } }))
      .registerActionVersion;
    expect(second).toMatchObject({ action: { id: first.action.id, activeVersion: { version: "1.2.1" } } });
    const back = (await send("RollbackAction", { input: { ref: "a3f8e1b2", version: "1.2.0" } })).rollbackAction;
    expect(back.action.activeVersion.version).toBe("1.2.0");
    const gone = (
      await send("WithdrawActionVersion", { input: { ref: blockIp["name"], version: "1.2.1", reason: "Bad." } })
    ).withdrawActionVersion;
    expect(gone).toEqual({
      __typename: "WithdrawActionVersionPayload",
      version: { version: "1.2.1", status: "WITHDRAWN" },
    });
    const off = (await send("SetActionEnabled", { input: { ref: blockIp["id"], enabled: false } })).setActionEnabled;
    expect(off.action.enabled).toBe(false);
    const { action } = await send("ActionDetail", { ref: "block-ip-on-firewall" });
    expect(action.versions.totalCount).toBe(2);
    expect(action.versions.edges.map(({ node }: Answer) => [node.version, node.status, node.isActive])).toEqual([
      ["1.2.1", "WITHDRAWN", false],
      ["1.2.0", "REGISTERED", true],
    ]);
    expect(action.versions.edges[1].node.definition).toEqual(blockIp);
  });

  test("takes the files of a package, and shows what they are", async () => {
    const files = [
      { path: "block_ip.py", content: "print()" },
      { path: "data.bin", content: "AP8=", encoding: "BASE64" },
    ];
    await register(localAction({ name: "packaged" }), files);
    const { action } = await send("ActionDetail", { ref: "packaged@1.0.0" });
    expect(action.activeVersion.executor).toEqual({ type: "LOCAL", target: "block_ip.py", method: null });
    expect(action.versions.edges[0].node.files).toMatchObject([
      { path: "block_ip.py", bytes: 7 },
      { path: "data.bin", bytes: 2 },
    ]);
  });

  test("answers each refusal as a member of its union", async () => {
    await register(remoteAction({ name: "refusing" }));
    expect(await register(remoteAction({ name: "refusing" }))).toMatchObject({
      __typename: "ConflictFailure",
      code: "name_taken",
    });
    const invalid = await register({ name: "x" });
    expect(invalid.__typename).toBe("ValidationFailure");
    expect(invalid.issues.map((issue: Answer) => issue.path)).toContain("$.executor");
    const failures = [
      await send("RegisterActionVersion", { input: { definition: remoteAction({ name: "unknown" }) } }),
      await send("SetActionEnabled", { input: { ref: "unknown", enabled: true } }),
      await send("RollbackAction", { input: { ref: "refusing", version: "9.9.9" } }),
      await send("WithdrawActionVersion", { input: { ref: "unknown", version: "1.0.0", reason: "Bad." } }),
    ].map((answer: Answer) => Object.values<Answer>(answer)[0].__typename);
    expect(failures).toEqual(["NotFoundFailure", "NotFoundFailure", "NotFoundFailure", "NotFoundFailure"]);
    const versioned = await send("SetActionEnabled", { input: { ref: "refusing@1.0", enabled: true } });
    expect(versioned.setActionEnabled).toMatchObject({ __typename: "ValidationFailure" });
  });

  test("validates without registering", async () => {
    const bad = await send("ValidateAction", { input: { definition: remoteAction({ name: "checked", type: "x" }) } });
    expect(bad.validateAction).toMatchObject({
      valid: false,
      errors: [{ path: "$.type", code: "not_allowed" }],
      warnings: [],
    });
    const good = await send("ValidateAction", { input: { definition: remoteAction({ name: "checked" }) } });
    expect(good.validateAction).toMatchObject({ valid: true, errors: [], warnings: [{ code: "sends_parameters" }] });
    expect((await send("ActionCatalogue", { first: 5, filter: { search: "checked" } })).actions.totalCount).toBe(0);
  });

  test("returns the schema that definitions are checked by", async () => {
    expect((await send("ActionDefinitionSchema")).actionDefinitionSchema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      required: expect.arrayContaining(["name", "version", "type", "description", "parameters", "executor"]),
    });
  });

  test("sees in one document what an earlier field of it changed", async () => {
    await register(remoteAction({ name: "twice" }));
    const answer = await server.client().request<Answer>(`mutation {
      off: setActionEnabled(input: { ref: "twice", enabled: false }) { ...Shown }
      next: registerActionVersion(input: { definition: ${literal(remoteAction({ name: "twice", version: "1.0.1" }))} }) {
        ... on RegisterActionVersionPayload { version { isActive action { enabled activeVersion { version } } } }
      }
      back: rollbackAction(input: { ref: "twice", version: "1.0.0" }) { ...Back }
    }
    fragment Shown on SetActionEnabledPayload { action { enabled activeVersion { version isActive } } }
    fragment Back on RollbackActionPayload { action { activeVersion { version isActive } versions(last: 1) { edges { node { version } } } } }`);
    expect(answer).toEqual({
      off: { action: { enabled: false, activeVersion: { version: "1.0.0", isActive: true } } },
      next: { version: { isActive: true, action: { enabled: false, activeVersion: { version: "1.0.1" } } } },
      back: {
        action: {
          activeVersion: { version: "1.0.0", isActive: true },
          versions: { edges: [{ node: { version: "1.0.0" } }] },
        },
      },
    });
  });
});

/** A JSON value as a literal of GraphQL. */
function literal(value: unknown): string {
  return JSON.stringify(value).replace(/"(\w+)":/g, "$1:");
}

describe("the catalogue", () => {
  let token: string;
  const names = ["alpha", "beta", "delta", "gamma 100%", "zeta"];
  beforeAll(async () => {
    const shelf = await makeTenant(server.orm, "shelf");
    token = (await makeToken(server.orm, shelf)).text;
    for (const name of names) {
      const changes = {
        tags: name === "beta" ? ["x", "y"] : ["x"],
        type: name === "zeta" ? "enrichment" : "containment",
      };
      await send("RegisterAction", { input: { definition: remoteAction({ name, ...changes }) } }, token);
    }
  });

  const list = async (filter: Answer): Promise<string[]> =>
    (await send("ActionCatalogue", { first: 50, filter }, token)).actions.edges.map(({ node }: Answer) => node.name);

  test.each<[Answer, string[]]>([
    [{}, names],
    [null, names],
    [{ tags: ["x", "y"] }, ["beta"]],
    [{ tags: [] }, names],
    [{ type: "ENRICHMENT" }, ["zeta"]],
    [{ executor: "LOCAL" }, []],
    [{ executor: "REMOTE", enabled: true, search: "ETA" }, ["beta", "zeta"]],
    [{ enabled: false }, []],
    [{ search: "0%" }, ["gamma 100%"]],
    [{ search: "%" }, ["gamma 100%"]],
    [{ search: "a_p" }, []],
    [{ search: "perimeter" }, names],
  ])("filtered by %j holds %j", async (filter, found) => expect(await list(filter)).toEqual(found));

  test("is paged forwards without gap or repetition, and knows how many there are", async () => {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const { actions } = await send("ActionCatalogue", { first: 2, after }, token);
      expect(actions.totalCount).toBe(5);
      seen.push(...actions.edges.map(({ node }: Answer) => node.name));
      after = actions.pageInfo.hasNextPage ? actions.pageInfo.endCursor : undefined;
    } while (after);
    expect(seen).toEqual(names);
  });

  test("is paged backwards", async () => {
    const page =
      "query ($before: String) { actions(last: 2, before: $before) { pageInfo { startCursor hasPreviousPage } edges { node { name } } } }";
    const { actions } = await server.client(token).request<Answer>(page);
    expect(actions.edges.map(({ node }: Answer) => node.name)).toEqual(["gamma 100%", "zeta"]);
    const before = actions.pageInfo.startCursor;
    const earlier = (await server.client(token).request<Answer>(page, { before })).actions;
    expect(earlier.edges.map(({ node }: Answer) => node.name)).toEqual(["beta", "delta"]);
    expect(earlier.pageInfo.hasPreviousPage).toBe(true);
  });

  test("costs two statements a page, and one more for how many there are", async () => {
    const statements = vi.spyOn(server.requests.em.getConnection(), "execute");
    const page = operation("ActionCatalogue");
    await server.client(token).request(page, { first: 50 });
    const counted = statements.mock.calls.filter(([query]) => JSON.stringify(query).includes("action"));
    statements.mockClear();
    await server.client(token).request(page.replace("totalCount", ""), { first: 50 });
    const plain = statements.mock.calls.filter(([query]) => JSON.stringify(query).includes("action"));
    statements.mockRestore();
    expect([counted.length, plain.length]).toEqual([3, 2]);
  });

  test("shows a stranger nothing, by no field, id or reference", async () => {
    const { action } = await send("ActionDetail", { ref: "alpha" }, token);
    const { id } = action;
    const versionId = action.activeVersion.id;
    const nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    expect(await server.client(token).request(nodes, { ids: [id, versionId] })).toEqual({
      nodes: [{ id }, { id: versionId }],
    });
    expect(await server.client().request(nodes, { ids: [id, versionId] })).toEqual({ nodes: [null, null] });
    expect((await send("ActionDetail", { ref: "alpha" })).action).toBeNull();
    expect((await send("ActionDetail", { ref: action.uuid })).action).toBeNull();
  });

  test("can be read but not changed by a viewer", async () => {
    const viewer = (await makeToken(server.orm, tenant, { roles: ["viewer"] })).text;
    expect((await send("ActionCatalogue", { first: 1 }, viewer)).actions.totalCount).toBeGreaterThan(0);
    for (const name of ["RegisterAction", "RegisterActionVersion", "ValidateAction"]) {
      await expect(send(name, { input: { definition: {} } }, viewer)).rejects.toMatchObject({
        response: { errors: [{ extensions: { code: "FORBIDDEN" } }] },
      });
    }
  });

  test.each([["name@1"], ["name@v1.0"]])("tells that %s is no reference", async (ref) =>
    expect(send("ActionDetail", { ref }, token)).rejects.toMatchObject({
      response: { errors: [{ extensions: { code: "BAD_USER_INPUT" } }] },
    }),
  );
});
