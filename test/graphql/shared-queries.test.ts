import type { IncomingMessage, ServerResponse } from "node:http";
import { parse } from "graphql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import type { Context } from "../../src/graphql/builder.ts";
import { createSharedQueries } from "../../src/graphql/shared-queries.ts";
import { type Answer, openToyEdge, type ToyEdge } from "./toy-edge.ts";

/** Callers by token: `<scope>:<identity>`. */
interface Seen extends Context {
  readonly scope: string;
  whoAsks(): string;
}

let edge: ToyEdge;
/** Who was asked for, in order; each comes when its answer waits. */
let asked: string[];
let opened: number;
let release: (() => void)[];

beforeEach(async () => {
  asked = [];
  opened = 0;
  release = [];
  edge = await openToyEdge({
    times: { sharedWaitMs: 1_000_000 },
    askerOf: async ({ authorization = "" }) => {
      asked.push(authorization);
      const [scope, identity] = authorization.split(":");
      if (scope === undefined || identity === undefined) return undefined;
      const open = (onLook: () => void) => {
        opened += 1;
        const whoAsks = () => {
          onLook();
          return identity;
        };
        return { isSignedIn: true, hasPermission: () => true, scope, whoAsks } as unknown as Context;
      };
      return { scope, identity, open };
    },
  });
});
afterEach(() => edge.close());

function ask(authorization: string, query = "{ boom }", variables?: unknown): Promise<Answer> {
  return edge.post(query, variables, { authorization });
}

/** The resolver waits in the middle of its work. */
function gate(): Promise<void> {
  return new Promise((resolve) => void release.push(resolve));
}

const underWay = (count: number) => expect.poll(() => release.length).toBe(count);
/** As many have come in and wait. */
async function cameIn(count: number): Promise<void> {
  await expect.poll(() => asked.length).toBe(count);
  await new Promise(setImmediate);
}

describe("the same query of one scope", () => {
  test("is executed once for all who asked while another was under way", async () => {
    edge.toy.boom = async () => {
      await gate();
      return `execution ${opened}`;
    };
    const first = ask("acme:ada");
    await underWay(1);
    const others = ["ada", "bob", "cyd", "dan", "eve"].map((name) => ask(`acme:${name}`));
    await cameIn(6);
    release[0]?.();
    expect((await first).data).toEqual({ boom: "execution 1" });
    await underWay(2);
    release[1]?.();
    const answers = await Promise.all(others);
    expect(answers.map(({ data }) => data)).toEqual(Array(5).fill({ boom: "execution 2" }));
    expect(opened).toBe(2);
  });

  test("sees what was written before it was asked, although one that did not see it is still under way", async () => {
    let stored = "old";
    edge.toy.boom = async () => {
      const read = stored;
      await gate();
      return read;
    };
    const before = ask("acme:bob");
    await underWay(1);
    // A mutation of ada's that was answered.
    stored = "new";
    const after = ask("acme:ada");
    await cameIn(2);
    release[0]?.();
    await underWay(2);
    release[1]?.();
    expect([(await before).data, (await after).data]).toEqual([{ boom: "old" }, { boom: "new" }]);
  });
});

describe("an answer", () => {
  /** Keeps one under way, lets the given ones gather behind it, and answers all. */
  async function gathered(requests: readonly (() => Promise<Answer>)[]): Promise<readonly Answer[]> {
    const { boom } = edge.toy;
    let isGated = true;
    edge.toy.boom = async (context) => {
      if (isGated) await gate();
      return boom(context);
    };
    const first = ask("acme:first");
    await underWay(1);
    isGated = false;
    const answers = requests.map((request) => request());
    await cameIn(requests.length + 1);
    release[0]?.();
    await first;
    return Promise.all(answers);
  }

  test("is never shared with another scope", async () => {
    edge.toy.boom = (context) => (context as Seen).scope;
    const answers = await gathered([() => ask("acme:ada"), () => ask("rival:ada"), () => ask("acme:bob")]);
    expect(answers.map(({ data }) => data?.["boom"])).toEqual(["acme", "rival", "acme"]);
  });

  test("that is about who asks is nobody else's, from the first time", async () => {
    edge.toy.boom = (context) => (context as Seen).whoAsks();
    const names = ["ada", "bob", "ada", "cyd"];
    const requests = names.map((name) => () => ask(`acme:${name}`));
    const answers = await gathered(requests);
    expect(answers.map(({ data }) => data?.["boom"])).toEqual(names);
  });

  test("that is about who asks only at times is told to the right ones", async () => {
    let isAbout = false;
    edge.toy.boom = (context) => (isAbout ? (context as Seen).whoAsks() : "everybody");
    const [one] = await gathered([() => ask("acme:ada"), () => ask("acme:bob")]);
    expect(one?.data).toEqual({ boom: "everybody" });
    isAbout = true;
    const both = await Promise.all([ask("acme:ada"), ask("acme:bob")]);
    expect(both.map(({ data }) => data?.["boom"])).toEqual(["ada", "bob"]);
  });

  test("is the same for the same variables in another order, and not for others", async () => {
    const query = "query ($a: String, $b: String) { boom one: hello(name: $a) other: hello(name: $b) }";
    const answers = await gathered([
      () => ask("acme:ada", query, { a: "1", b: "2" }),
      () => ask("acme:bob", query, { b: "2", a: "1" }),
      () => ask("acme:cyd", query, { a: "2", b: "1" }),
    ]);
    expect(answers.map(({ data }) => data?.["one"])).toEqual(["Hello 1", "Hello 1", "Hello 2"]);
  });

  test("is of the operation that was meant", async () => {
    const query = 'query A { hello(name: "A") } query B { hello(name: "B") }';
    const post = (operationName: string) =>
      fetch(edge.url, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "acme:ada" },
        body: JSON.stringify({ query, operationName }),
      }).then((response) => response.json());
    expect(await Promise.all([post("A"), post("B"), post("A")])).toEqual(
      ["A", "B", "A"].map((name) => ({ data: { hello: `Hello ${name}` } })),
    );
  });

  test("reaches the others when one of them goes away, whoever it is", async () => {
    edge.toy.boom = async () => {
      await gate();
      return `execution ${opened}`;
    };
    const leaves = new AbortController();
    const body = JSON.stringify({ query: "{ boom }" });
    const headers = { "content-type": "application/json" };
    const leaving = (authorization: string) =>
      fetch(edge.url, { method: "POST", headers: { ...headers, authorization }, body, signal: leaves.signal }).catch(
        () => "gone",
      );
    const first = leaving("acme:first");
    await underWay(1);
    const second = leaving("acme:second");
    await cameIn(2);
    const third = ask("acme:third");
    await cameIn(3);
    leaves.abort();
    expect(await Promise.all([first, second])).toEqual(["gone", "gone"]);
    release[0]?.();
    await underWay(2);
    release[1]?.();
    expect((await third).data).toEqual({ boom: "execution 2" });
  });

  test("is not made when all who waited for it have gone", async () => {
    let runs = 0;
    const run = async () => {
      runs += 1;
      return { data: {} };
    };
    const open = () => ({}) as Context;
    const shared = createSharedQueries({
      pipeline: { run },
      askerOf: async () => ({ scope: "acme", identity: "ada", open }),
    });
    const query = "{ boom }";
    const request = { headers: {} } as IncomingMessage;
    const gone = { closed: true } as ServerResponse;
    const asking = { document: parse(query), params: { query }, caller: { authorization: "x" }, request };
    expect(await shared.answer(asking, gone)).toBe(true);
    expect(runs).toBe(0);
  });

  test("that is an error is shared too, and logged once", async () => {
    edge.toy.boom = () => {
      throw new Error("a bug");
    };
    const [, ...answers] = await gathered(["ada", "bob", "cyd"].map((name) => () => ask(`acme:${name}`)));
    expect(answers[0]?.errors).toMatchObject([{ path: ["boom"], extensions: { code: "INTERNAL" } }]);
    expect(answers[0]?.errors).toEqual(answers[1]?.errors);
    expect(edge.toy.logged.filter((line) => line.includes("edge.internal_error"))).toHaveLength(opened);
    expect(opened).toBe(2);
  });
});

describe("alone is answered", () => {
  test.each([
    ["a mutation", "acme:ada", "mutation { change }", {}],
    ["who is not signed in", "nobody", '{ hello(name: "x") }', {}],
    ["what has long variables", "acme:ada", "{ hello }", { x: "x".repeat(limits.sharedQueryVariablesLengthMax) }],
  ])("%s", async (_what, authorization, query, variables) => {
    expect((await ask(authorization, query, variables)).data).toBeDefined();
    expect(opened).toBe(0);
  });

  test("what has variables that are nested too deeply, which is refused", async () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < limits.requestDepthMax + 1; depth += 1) deep = [deep];
    expect((await ask("acme:ada", "{ hello }", { deep })).errors?.[0]?.message).toContain("nested deeper");
    expect(opened).toBe(0);
  });
});
