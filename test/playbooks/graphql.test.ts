import { readFileSync } from "node:fs";
import path from "node:path";
import { type DocumentNode, parse, print } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Tenant } from "../../src/tenancy/entities.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeTenant, makeToken } from "../tenancy/tenancy-fixtures.ts";
import { makeAction } from "./playbook-fixtures.ts";
import { action, condition, playbook, vendorExample } from "./playbook-text.ts";

let server: TestServer;
let tenant: Tenant;
beforeAll(async () => {
  server = await startTestServer();
  tenant = (await server.orm.em.fork().findAll(Tenant, { limit: 1 }))[0]!;
  await makeAction(server.orm, tenant.id, { name: "block-ip", versions: ["1.0.0", "1.0.3"] });
});
afterAll(() => server.close());

/** One operation of what clients send, with the fragments it needs. */
function operation(name: string): string {
  const text = readFileSync(path.join(import.meta.dirname, "../../client/operations/playbooks.graphql"), "utf8");
  const { definitions } = parse(text) satisfies DocumentNode;
  const wanted = definitions.filter(
    (definition) =>
      definition.kind === "FragmentDefinition" || ("name" in definition && definition.name?.value === name),
  );
  const isUsed = print(wanted.find((definition) => definition.kind === "OperationDefinition")!).includes("...Graph");
  return wanted
    .filter(({ kind }) => kind === "OperationDefinition" || isUsed)
    .map(print)
    .join("\n");
}

// biome-ignore lint/suspicious/noExplicitAny: answers of documents that are read at run time
type Answer = any;

function send(name: string, variables: Record<string, unknown>, token?: string): Promise<Answer> {
  return server.client(token).request(operation(name), variables);
}

const keyed = (key: string, text = playbook(action("a"))) => text.replace("pb-test", key);

describe("the API of playbooks", () => {
  test("registers, shows, rolls back and disables a playbook by the clients' own documents", async () => {
    const text = keyed("pb-life", playbook(`${condition("c", "on_false: end")}\n${action("a")}`, "tags: [life]\n"));
    const first = (await send("RegisterPlaybook", { input: { source: text } })).registerPlaybook;
    expect(first).toMatchObject({
      __typename: "RegisterPlaybookPayload",
      playbook: { key: "pb-life", name: "Test" },
      version: {
        version: "1.0.0",
        graph: {
          nodes: [
            { stepId: "c", type: "CONDITION" },
            { stepId: "a", type: "ACTION" },
          ],
        },
      },
      warnings: [],
    });
    expect(first.version.graph.edges).toContainEqual({ from: "c", to: null, on: "FALSE", implicit: false });
    const second = (await send("RegisterPlaybook", { input: { source: text.replace("1.0.0", "1.1.0") } }))
      .registerPlaybook;
    expect(second.playbook.id).toBe(first.playbook.id);
    const detail = operation("PlaybookDetail").replace(/runs\(first: 20\) \{[\s\S]*?\n {4}\}\n/, "");
    const { playbook: shown } = await server.client().request<Answer>(detail, { key: "pb-life" });
    const versions = shown.versions.edges.map(({ node }: Answer) => [
      node.version,
      node.format,
      node.source === text,
      node.pins,
    ]);
    const pins = [{ stepId: "a", actionRef: "block-ip@1.0", resolves: "1.0.3" }];
    expect(versions).toEqual([
      ["1.1.0", "YAML", false, pins],
      ["1.0.0", "YAML", true, pins],
    ]);
    const back = (await send("RollbackPlaybook", { input: { key: "pb-life", version: "1.0.0" } })).rollbackPlaybook;
    expect(back.playbook.activeVersion.version).toBe("1.0.0");
    const off = (await send("SetPlaybookEnabled", { input: { key: "pb-life", enabled: false } })).setPlaybookEnabled;
    expect(off.playbook).toMatchObject({ key: "pb-life", enabled: false });
    const found = await send("PlaybookCatalogue", {
      first: 5,
      filter: { enabled: false, tags: ["life"], search: "LIFE", event: "manual" },
    });
    expect(found.playbooks).toMatchObject({
      totalCount: 1,
      edges: [{ node: { key: "pb-life", activeVersion: { version: "1.0.0" } } }],
    });
  });

  test("answers failures as types, and a validation as its report", async () => {
    const bad = (await send("RegisterPlaybook", { input: { source: vendorExample } })).registerPlaybook;
    expect(bad).toMatchObject({ __typename: "ValidationFailure", code: "invalid_input" });
    expect(bad.issues).toContainEqual(
      expect.objectContaining({ path: "$.steps[1].branches[0].action_ref", code: "unknown_action", line: 21 }),
    );
    const source = keyed("pb-twice");
    await send("RegisterPlaybook", { input: { source } });
    const conflict = (await send("RegisterPlaybook", { input: { source: `${source}#` } })).registerPlaybook;
    expect(conflict).toMatchObject({ __typename: "ConflictFailure", code: "version_exists" });
    const missing = (await send("RollbackPlaybook", { input: { key: "pb-none", version: "1.0.0" } })).rollbackPlaybook;
    expect(missing).toMatchObject({ __typename: "NotFoundFailure" });
    const { validatePlaybook: report } = await send("ValidatePlaybook", { input: { source: keyed("pb-new") } });
    expect(report).toMatchObject({ valid: true, errors: [], warnings: [], graph: { nodes: [{ stepId: "a" }] } });
    const { validatePlaybook: broken } = await send("ValidatePlaybook", { input: { source: "a: [" } });
    expect(broken).toMatchObject({ valid: false, errors: [{ code: "yaml_syntax" }], graph: null });
  });

  test("pages by key, in both directions, with filters that mean what they say", async () => {
    for (const key of ["page-a", "page-b", "page-c", "page_d"])
      await send("RegisterPlaybook", { input: { source: keyed(key) } });
    const keys = async (variables: Record<string, unknown>) => {
      const { playbooks } = await send("PlaybookCatalogue", variables);
      return { keys: playbooks.edges.map(({ node }: Answer) => node.key), page: playbooks.pageInfo };
    };
    const filter = { search: "page" };
    const one = await keys({ first: 3, filter });
    const two = await keys({ first: 3, filter, after: one.page.endCursor });
    expect([...one.keys, ...two.keys].sort()).toEqual(["page-a", "page-b", "page-c", "page_d"]);
    expect([one.page.hasNextPage, two.page.hasNextPage]).toEqual([true, false]);
    expect((await keys({ first: 9, filter: { search: "page_" } })).keys).toEqual(["page_d"]);
    expect((await keys({ first: 9, filter: { search: "page%" } })).keys).toEqual([]);
    const last = await server
      .client()
      .request<Answer>('{ playbooks(last: 1, filter: {search: "page"}) { edges { node { key } } } }');
    expect(last.playbooks.edges[0].node.key).toBe(two.keys.at(-1));
  });

  test("reads a node by its id, and none of another tenant", async () => {
    const { registerPlaybook: made } = await send("RegisterPlaybook", { input: { source: keyed("pb-node") } });
    const query =
      "query ($id: ID!) { node(id: $id) { __typename ... on Playbook { key activeVersion { id playbook { key } } } } }";
    const mine = await server.client().request<Answer>(query, { id: made.playbook.id });
    expect(mine.node).toMatchObject({
      __typename: "Playbook",
      key: "pb-node",
      activeVersion: { playbook: { key: "pb-node" } },
    });
    const other = await makeTenant(server.orm, "stranger");
    const { text } = await makeToken(server.orm, other);
    for (const id of [made.playbook.id, mine.node.activeVersion.id]) {
      expect((await server.client(text).request<Answer>(query, { id })).node).toBeNull();
    }
    expect((await server.client(text).request<Answer>('{ playbook(key: "pb-node") { key } }')).playbook).toBeNull();
  });

  test("serves the document's schema", async () => {
    const { playbookSchema } = await server.client().request<Answer>("{ playbookSchema }");
    expect(playbookSchema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      title: "Playbook",
    });
  });

  test("lets a viewer read and not write", async () => {
    const { text } = await makeToken(server.orm, tenant, { roles: ["viewer"], name: "viewer" });
    expect(
      (await server.client(text).request<Answer>("{ playbooks { totalCount } }")).playbooks.totalCount,
    ).toBeGreaterThan(0);
    await expect(send("RegisterPlaybook", { input: { source: keyed("pb-viewer") } }, text)).rejects.toThrow(
      /FORBIDDEN/,
    );
    await expect(server.client(null).request("{ playbooks { totalCount } }")).rejects.toThrow(/UNAUTHENTICATED/);
  });
});
