import { GraphQLError } from "graphql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Context } from "../../src/graphql/builder.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
beforeEach(async () => {
  edge = await openToyEdge({
    askerOf: async ({ authorization }) => {
      if (authorization !== "signed in") return undefined;
      const open = () => ({ isSignedIn: true, hasPermission: () => true }) as unknown as Context;
      return { scope: "acme", identity: "ada", open };
    },
  });
});
afterEach(() => edge.close());

describe("what an answer is sent with", () => {
  const accepts = [
    undefined,
    " ",
    "*/*",
    "application/json",
    "application/*",
    "application/graphql-response+json",
    "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
    "application/graphql-response+json, application/json;q=0.9",
    "application/json, text/plain, */*",
    "text/plain, application/json",
    "multipart/mixed, application/json",
    "image/png",
  ];
  const operations = [
    'query { hello(name: "x") }',
    "query { strictBoom hello }",
    "query { boom }",
    "query { nothing }",
    "query ($n: Int!) { hello }",
    "query ($i: ThingInput) { thing(input: $i) { name } }",
    "query A { hello } query B { hello }",
  ];
  test.each(accepts)("is what yoga sends, with Accept %s, shared or of a mutation", async (accept) => {
    edge.toy.boom = () => {
      throw Object.assign(new Error("away"), { code: "57P01" });
    };
    const sent = async (query: string, authorization: string) => {
      const response = await fetch(edge.url, {
        method: "POST",
        headers: { "content-type": "application/json", authorization, ...(accept ? { accept } : {}) },
        body: JSON.stringify({ query, variables: { i: { count: "x" } } }),
      });
      const { status, headers } = response;
      const text = await response.text();
      return {
        status,
        type: headers.get("content-type"),
        cache: headers.get("cache-control"),
        sniff: headers.get("x-content-type-options"),
        isWhole: headers.get("content-length") === String(Buffer.byteLength(text)),
        // Each masked error has an id of its own.
        body: text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "<id>").replace("Mutation", "Query"),
      };
    };
    for (const query of operations) {
      expect(await sent(query, "signed in")).toEqual(await sent(query, "nobody"));
      // As long, so that errors are at the same places.
      const byYoga = await sent(query.replaceAll("query ", "query    "), "nobody");
      expect(await sent(query.replaceAll("query ", "mutation "), "nobody")).toEqual(byYoga);
    }
  });

  test("is an internal error where the answer of a mutation can't be written, which is not run again", async () => {
    let runs = 0;
    edge.toy.boom = () => {
      runs += 1;
      throw new GraphQLError("odd", { extensions: { code: "ODD", amount: 1n } });
    };
    const answer = await edge.post("mutation { boom }");
    expect(answer).toMatchObject({ status: 500, errors: [{ extensions: { code: "INTERNAL" } }] });
    expect(runs).toBe(1);
  });

  test.each(["image/png", "text/html", ",", "application/json;charset=latin1", "application/jsonp, application/xml"])(
    "is a refusal before a mutation is done that nobody could be told about, with Accept %s",
    async (accept) => {
      let runs = 0;
      edge.toy.boom = () => {
        runs += 1;
      };
      const answer = await edge.post("mutation { boom }", undefined, { accept });
      expect(answer).toMatchObject({ status: 406, errors: [{ extensions: { code: "NOT_ACCEPTABLE" } }] });
      expect(runs).toBe(0);
      const allowed = await edge.post("mutation { boom }", undefined, { accept: `${accept}, application/json` });
      expect([allowed.status, runs]).toEqual([200, 1]);
    },
  );
});
