import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const documents = await readFile(new URL("../../client/operations/administration.graphql", import.meta.url), "utf8");

let server: TestServer;
/** Admins of two tenants that have done nothing else than what the tests say. */
let token: string;
let otherToken: string;

interface Entry {
  readonly sequence: number;
  readonly operation: string;
  readonly subject: string | null;
  readonly detail: unknown;
  readonly hash: string;
  readonly previousHash: string | null;
}
interface Trail {
  readonly auditEntries: { readonly totalCount: number; readonly edges: { readonly node: Entry }[] };
}

beforeAll(async () => {
  server = await startTestServer();
  [token, otherToken] = [await makeTenant("one"), await makeTenant("two")];
  await act("putSecret", { name: "edr-token", value: "s3cret-value-4711" });
  await act("putVariable", { name: "channel", value: "#soc" });
  await act("deleteVariable", { name: "channel" });
});
afterAll(() => server.close());

async function makeTenant(name: string): Promise<string> {
  const document = `mutation { createTenant(input: {name: "${name}"}) { ... on CreateTenantPayload { token } } }`;
  return (await server.client().request<{ createTenant: { token: string } }>(document)).createTenant.token;
}

async function act(operation: string, input: object, as = token): Promise<void> {
  const type = `${operation.charAt(0).toUpperCase()}${operation.slice(1)}`;
  const document = `mutation ($input: ${type}Input!) { ${operation}(input: $input) { __typename } }`;
  const answer = await server.client(as).request<Record<string, { __typename: string }>>(document, { input });
  expect(answer[operation]?.__typename).toBe(`${type}Payload`);
}

async function ask<Data>(operationName: string, variables: object = {}, as = token): Promise<Data> {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${as}` },
    body: JSON.stringify({ query: documents, operationName, variables }),
  });
  const answer = (await response.json()) as { data: Data; errors?: unknown };
  expect(answer.errors).toBeUndefined();
  return answer.data;
}

async function trail(variables: object = {}, as = token): Promise<readonly Entry[]> {
  const { auditEntries } = await ask<Trail>("AuditTrail", { first: 50, ...variables }, as);
  return auditEntries.edges.map(({ node }) => node);
}

describe("the audit trail", () => {
  test("says who did what to what, the newest first, each bound to the one before", async () => {
    const entries = await trail();
    expect(entries).toMatchObject([
      { sequence: 3, operation: "deleteVariable", subject: "variable:channel", outcome: "succeeded" },
      { sequence: 2, operation: "putVariable", actor: { kind: "TOKEN", name: "first admin" } },
      { sequence: 1, operation: "putSecret", subject: "secret:edr-token", detail: { isNew: true }, previousHash: null },
    ]);
    expect(entries[0]?.previousHash).toBe(entries[1]?.hash);
    expect(entries[1]?.previousHash).toBe(entries[2]?.hash);
  });

  test("holds no value of a secret or a variable", async () => {
    const rows = await server.orm.em.fork().execute("select row_to_json(e) as row from audit_entry e");
    expect(JSON.stringify(rows)).toContain("edr-token");
    expect(JSON.stringify(rows)).not.toMatch(/s3cret-value-4711|#soc/);
  });

  test("is narrowed by operation, subject and time", async () => {
    expect(await trail({ filter: { operation: "putSecret" } })).toMatchObject([{ sequence: 1 }]);
    expect(await trail({ filter: { subject: "variable:channel" } })).toMatchObject([{ sequence: 3 }, { sequence: 2 }]);
    expect(await trail({ filter: { until: "2026-01-01T00:00:00Z" } })).toEqual([]);
    expect(await trail({ filter: { since: "2026-01-01T00:00:00Z", operation: "putVariable" } })).toHaveLength(1);
    expect(await trail({ filter: { subject: "\u0000" } })).toEqual([]);
  });

  interface Page {
    readonly pageInfo: Record<string, unknown>;
    readonly edges: readonly { readonly node: Entry }[];
  }

  test("is read page by page, both ways", async () => {
    const document = `query ($first: Int, $after: String, $last: Int, $before: String) {
      auditEntries(first: $first, after: $after, last: $last, before: $before) {
        pageInfo { hasNextPage endCursor startCursor } edges { node { sequence } } } }`;
    const page = async (variables: object) => {
      const answer = await server.client(token).request<{ auditEntries: Page }>(document, variables);
      return answer.auditEntries;
    };
    const first = await page({ first: 2 });
    expect(first.edges.map(({ node }) => node.sequence)).toEqual([3, 2]);
    const second = await page({ first: 2, after: first.pageInfo["endCursor"] });
    expect(second.edges.map(({ node }) => node.sequence)).toEqual([1]);
    const back = await page({ last: 5, before: second.pageInfo["startCursor"] });
    expect(back.edges.map(({ node }) => node.sequence)).toEqual([3, 2]);
    const foreign = Buffer.from('["x"]').toString("base64url");
    await expect(page({ first: 1, after: foreign })).rejects.toThrow("no cursor");
  });

  test("of one tenant is not seen by another", async () => {
    const id = await firstId(token);
    expect(await nodeAs(token, id)).toMatchObject({ operation: "deleteVariable" });
    expect(await nodeAs(otherToken, id)).toBeNull();
    expect(await trail({}, otherToken)).toEqual([]);
    expect(await ask("VerifyAudit", {}, otherToken)).toEqual({
      verifyAudit: { intact: true, entries: 0, firstBroken: null },
    });
    await act("putVariable", { name: "own", value: "1" }, otherToken);
    expect(await trail({}, otherToken)).toMatchObject([{ sequence: 1, subject: "variable:own" }]);
  });

  async function firstId(as: string): Promise<string> {
    const document = "{ auditEntries(first: 1) { edges { node { id } } } }";
    const answer = await server.client(as).request<Record<string, { edges: { node: { id: string } }[] }>>(document);
    return answer["auditEntries"]?.edges[0]?.node.id ?? "";
  }

  async function nodeAs(as: string, id: string): Promise<unknown> {
    const document = "query ($id: ID!) { node(id: $id) { ... on AuditEntry { operation } } }";
    return (await server.client(as).request<{ node: unknown }>(document, { id })).node;
  }
});

describe("verifyAudit", () => {
  test("finds the trail intact, and names the entry that somebody edited", async () => {
    expect(await ask("VerifyAudit")).toEqual({ verifyAudit: { intact: true, entries: 3, firstBroken: null } });
    const em = server.orm.em.fork();
    const change = (name: string) =>
      em.execute(`update audit_entry set actor_name = '${name}' where operation = 'putVariable' and sequence = 2`);
    await change("somebody else");
    expect(await ask("VerifyAudit")).toEqual({ verifyAudit: { intact: false, entries: 1, firstBroken: 2 } });
    await change("first admin");
    expect(await ask("VerifyAudit")).toMatchObject({ verifyAudit: { intact: true } });
  });

  test.each(["-9223372036854775808", "9223372036854775807"])(
    "says so where somebody added an entry with the number %s, and the trail can be read on",
    async (sequence) => {
      const em = server.orm.em.fork();
      const id = newId();
      const sql = `insert into audit_entry select (jsonb_populate_record(e, jsonb_build_object('id', ?::text, 'sequence', ?::bigint, 'actor_name', 'forger'))).*
        from audit_entry e where e.operation = 'putVariable' and e.sequence = 2`;
      await em.execute(sql, [id, sequence]);
      await act("putVariable", { name: "later", value: sequence });
      expect(await ask("VerifyAudit")).toMatchObject({
        verifyAudit: { intact: false, firstBroken: Math.sign(Number(sequence)) * 2_147_483_647 },
      });
      expect(await trail()).not.toHaveLength(0);
      const download = await fetch(new URL("/api/audit/export", server.url), {
        headers: { authorization: `Bearer ${token}` },
      });
      expect((await download.text()).trim().split("\n").at(-1)).toContain('"end"');
      await em.execute("delete from audit_entry where id = ?", [id]);
      expect(await ask("VerifyAudit")).toMatchObject({ verifyAudit: { intact: true } });
    },
  );

  test("is for those who may read the trail", async () => {
    const input = { name: "author", roles: ["author"] };
    const document = `mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) { ... on CreateApiTokenPayload { token } } }`;
    const made = await server.client(token).request<{ createApiToken: { token: string } }>(document, { input });
    const client = server.client(made.createApiToken.token);
    await expect(client.request("{ verifyAudit { intact } }")).rejects.toThrow("You may not do this");
    await expect(client.request("{ auditEntries { totalCount } }")).rejects.toThrow("You may not do this");
  });
});

describe("the sealer in the background", () => {
  test("seals what was done without anybody asking for it", async () => {
    await act("putVariable", { name: "soon", value: "1" });
    const unsealed = async () => {
      const sql = "select count(*)::int as count from audit_entry where sequence is null";
      const [row] = await server.orm.em.fork().execute<{ count: number }[]>(sql);
      return row?.count;
    };
    await expect.poll(unsealed).toBe(0);
  });
});
