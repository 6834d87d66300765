import { getIntrospectionQuery } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
let closedEdge: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge();
  closedEdge = await openToyEdge({ introspection: "off" });
});
afterAll(async () => {
  await edge.close();
  await closedEdge.close();
});

async function codesOf(query: string, variables?: unknown): Promise<unknown[]> {
  const { errors = [], data } = await edge.post(query, variables);
  if (errors.length > 0) expect(data ?? null).toBeNull();
  return errors.map(({ extensions }) => extensions?.["code"]);
}

const nested = (levels: number) => `${"thing { ".repeat(levels - 1)}name${" }".repeat(levels - 1)}`;
const repeated = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(" ");

describe("an operation", () => {
  test("may be as deep as the bound, and no deeper", async () => {
    expect(await codesOf(`{ ${nested(limits.queryDepthMax)} }`)).toEqual([]);
    expect(await codesOf(`{ ${nested(limits.queryDepthMax + 1)} }`)).toEqual(["QUERY_TOO_LARGE"]);
  });

  test("is no shallower for being written in fragments", async () => {
    const fragments = repeated(limits.queryDepthMax, (i) => `fragment F${i} on Thing { thing { ...F${i + 1} } }`);
    const query = `{ thing { ...F0 } } ${fragments} fragment F${limits.queryDepthMax} on Thing { name }`;
    expect(await codesOf(query)).toEqual(["QUERY_TOO_LARGE"]);
  });

  test("is refused with fragments in a circle", async () => {
    const query = "{ thing { ...A } } fragment A on Thing { thing { ...B } } fragment B on Thing { thing { ...A } }";
    expect(new Set(await codesOf(query))).toEqual(new Set(["QUERY_TOO_LARGE"]));
  });

  test("is refused when fragments fan out, without being spread", async () => {
    const fragments = repeated(
      12,
      (i) => `fragment F${i} on Thing { a: thing { ...F${i + 1} } b: thing { ...F${i + 1} } }`,
    );
    expect(await codesOf(`{ thing { ...F0 } } ${fragments} fragment F12 on Thing { name }`)).toEqual([
      "QUERY_TOO_LARGE",
    ]);
  });

  test("may have so many aliases and no more", async () => {
    const withAliases = (count: number) => `{ thing { ${repeated(count, (i) => `a${i}: name`)} } }`;
    expect(await codesOf(withAliases(limits.queryAliasesMax))).toEqual([]);
    expect(await codesOf(withAliases(limits.queryAliasesMax + 1))).toEqual(["QUERY_TOO_LARGE"]);
  });

  test("may have so many directives and no more", async () => {
    const withDirectives = (count: number) => `{ hello ${"@include(if: true) ".repeat(count)} }`;
    expect(await codesOf(withDirectives(limits.queryDirectivesMax + 1))).toEqual(["QUERY_TOO_LARGE"]);
    expect(await codesOf(`{ thing { ${"name @include(if: true) ".repeat(limits.queryDirectivesMax)} } }`)).toEqual([]);
  });

  test("may have so many root fields and no more, in fragments or not", async () => {
    const roots = (count: number) => repeated(count, (i) => `f${i}: hello`);
    expect(await codesOf(`{ ${roots(limits.queryRootFieldsMax)} }`)).toEqual([]);
    expect(await codesOf(`{ ${roots(limits.queryRootFieldsMax + 1)} }`)).toEqual(["QUERY_TOO_LARGE"]);
    const hidden = `{ ...A ... { f0: hello } } fragment A on Query { ${repeated(limits.queryRootFieldsMax, (i) => `g${i}: hello`)} }`;
    expect(await codesOf(hidden)).toEqual(["QUERY_TOO_LARGE"]);
  });

  test("may have so many tokens and no more", async () => {
    expect(await codesOf(`{ ${"hello ".repeat(limits.queryTokensMax)} }`)).toEqual(["GRAPHQL_PARSE_FAILED"]);
  });

  test("is refused when it is long, although comments are no tokens", async () => {
    expect(await codesOf(`{ hello } #${"x".repeat(limits.queryLengthMax)}`)).toEqual(["GRAPHQL_PARSE_FAILED"]);
  });

  test("is refused when its brackets are deeper than the parser's stack", async () => {
    const brackets = limits.queryTokensMax / 2 - 10;
    const codes = await codesOf(`{ hello(name: ${"[".repeat(brackets)}${"]".repeat(brackets)}) }`);
    expect(codes.length).toBeGreaterThan(0);
    expect(codes).not.toContain("INTERNAL");
  });

  test("is charged the page of every list around a field, and told its cost", async () => {
    expect(await codesOf("{ thing { things { things { name } } } }")).toEqual([]);
    const { errors } = await edge.post("{ thing { things { things { things { name } } } } }");
    expect(errors?.[0]?.extensions).toEqual({
      code: "QUERY_TOO_EXPENSIVE",
      cost: 1_010_102,
      costMax: limits.queryCostMax,
    });
  });

  test.each([
    ["", "query ($n: Int) { thing { page(first: $n) { page(first: $n) { name } } } }"],
    [
      ", in a fragment too",
      "query ($n: Int) { ...T } fragment T on Query { thing { page(first: $n) { page(first: $n) { name } } } }",
    ],
  ])("is charged the page that each request asks for%s, also where the text is the same", async (_where, query) => {
    const codes = async (n: number) =>
      ((await edge.post(query, { n })).errors ?? []).map((error) => error.extensions?.["code"]);
    expect(await codes(2)).toEqual([]);
    expect(await codes(100_000)).toEqual(["QUERY_TOO_EXPENSIVE"]);
    expect(await codes(2)).toEqual([]);
  });

  test("is charged the same as a subscription, before it begins", async () => {
    const response = await fetch(edge.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({
        query: `subscription { ticks { ${repeated(limits.queryAliasesMax + 1, (i) => `a${i}: text`)} } }`,
      }),
    });
    expect(await response.text()).toContain("QUERY_TOO_LARGE");
  });

  test("is refused with variables that are nested too deeply", async () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const response = await fetch(edge.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"query":"query ($n: String) { hello(name: $n) }","variables":${deep}}`,
    });
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: "BAD_USER_INPUT" } }] });
  });
});

describe("introspection", () => {
  test("is within the bounds for GraphiQL's and every tool's own query", async () => {
    const query = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    });
    const { data, errors } = await edge.post(query);
    expect([errors, data?.["__schema"]]).toEqual([undefined, expect.anything()]);
  });

  test("is refused where lists in lists would multiply it", async () => {
    expect(
      await codesOf("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"),
    ).not.toEqual([]);
  });

  test("is refused when it is off, and no error suggests a name", async () => {
    expect((await closedEdge.post("{ __schema { types { name } } }")).errors).toHaveLength(2);
    expect((await closedEdge.post('{ __type(name: "Query") { name } }')).errors).toHaveLength(1);
    const { errors } = await closedEdge.post("query ($i: ThingInput) { helo thing(input: $i, idd: 1) { nme } }", {
      i: { nme: "x" },
    });
    expect(errors?.length).toBeGreaterThan(0);
    expect(JSON.stringify(errors)).not.toContain("Did you mean");
    const asVariable = await closedEdge.post("query ($i: ThingInput) { thing(input: $i) { name } }", {
      i: { name: "x", nam: "x" },
    });
    expect(asVariable.errors).toHaveLength(1);
    expect(JSON.stringify(asVariable)).not.toContain("Did you mean");
  });
});
