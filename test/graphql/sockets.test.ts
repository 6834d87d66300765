import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { limits } from "../../src/core/limits.ts";
import { codeOf, connect, type RawClient, refusedWith, silent, subscribe, terminateAll } from "./raw-socket.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge({ times: { initMs: 100, heartbeatMs: 100, authorisationMs: 20 } });
});
afterAll(() => edge.close());
beforeEach(() => {
  edge.toy.boom = () => "quiet";
  edge.toy.ticks = async function* () {
    yield { cursor: "c1", text: "one" };
  };
});

afterAll(terminateAll);

async function connectReady(authorization?: string): Promise<RawClient> {
  const client = await connect(edge.wsUrl);
  client.say({ type: "connection_init", payload: authorization === undefined ? {} : { authorization } });
  expect(await client.hear()).toEqual({ type: "connection_ack" });
  return client;
}

describe("a socket", () => {
  test("runs queries, mutations and subscriptions", async () => {
    const client = await connectReady();
    client.say(subscribe("1", "{ hello }"));
    expect(await client.hear()).toEqual({ id: "1", type: "next", payload: { data: { hello: "Hello undefined" } } });
    expect(await client.hear()).toEqual({ id: "1", type: "complete" });
    client.say(subscribe("2", "mutation { change }"));
    expect((await client.hear()).payload).toEqual({ data: { change: "changed" } });
    expect((await client.hear()).type).toBe("complete");
    client.say(subscribe("3", "subscription { ticks { cursor text } }"));
    expect((await client.hear()).payload).toEqual({ data: { ticks: { cursor: "c1", text: "one" } } });
    expect(await client.hear()).toEqual({ id: "3", type: "complete" });
  });

  test("takes its token from the connection's parameters, or else from the header", async () => {
    const byParameters = await connectReady("Bearer good");
    const signedIn: boolean[] = [];
    edge.toy.boom = ({ isSignedIn }) => void signedIn.push(isSignedIn);
    byParameters.say(subscribe("1", "{ boom }"));
    await byParameters.hear();
    const byHeader = await connect(edge.wsUrl, { headers: { authorization: "Bearer good" } });
    byHeader.say({ type: "connection_init" });
    await byHeader.hear();
    byHeader.say(subscribe("1", "{ boom }"));
    await byHeader.hear();
    const nobody = await connectReady();
    nobody.say(subscribe("1", "{ boom }"));
    await nobody.hear();
    expect(signedIn).toEqual([true, true, false]);
  });

  test("is closed when it never says connection_init", async () => {
    expect(await (await connect(edge.wsUrl)).closed).toEqual([4408, "Connection initialisation timeout"]);
  });

  test("is closed when it says connection_init twice", async () => {
    const client = await connectReady();
    client.say({ type: "connection_init" });
    expect(await client.closed).toEqual([4429, "Too many initialisation requests"]);
  });

  test("is closed when it subscribes before the acknowledgement", async () => {
    const client = await connect(edge.wsUrl);
    client.say(subscribe("1", "{ hello }"));
    expect(await client.closed).toEqual([4401, "Unauthorized"]);
  });

  test("is closed when it uses an id twice at once", async () => {
    edge.toy.boom = () => new Promise(() => undefined);
    const client = await connectReady();
    client.say(subscribe("1", "{ boom }"));
    client.say(subscribe("1", "{ hello }"));
    expect(await client.closed).toEqual([4409, "Subscriber for 1 already exists"]);
  });

  test.each([
    ["no JSON", "{"],
    ["a text", '"hello"'],
    ["null", "null"],
    ["an unknown type", { type: "explode" }],
    ["no id", { type: "subscribe", payload: { query: "{ hello }" } }],
    ["a query that is no text", { id: "1", type: "subscribe", payload: { query: {} } }],
    ["variables that are no object", { id: "1", type: "subscribe", payload: { query: "{ hello }", variables: 1 } }],
  ])("is closed when it says %s", async (_what, message) => {
    const client = await connectReady();
    client.say(message);
    expect(await client.closed).toEqual([4400, "Invalid message received"]);
  });

  test("is closed when a frame is larger than allowed", async () => {
    const client = await connectReady();
    client.say("x".repeat(limits.webSocketFrameBytesMax + 1));
    expect((await client.closed)[0]).toBe(1009);
  });

  test("is closed when a message holds more values than can be read while others wait", async () => {
    const client = await connect(edge.wsUrl);
    client.say(`{"type":"connection_init","payload":{"x":[${"0,".repeat(limits.requestValuesMax)}0]}}`);
    expect((await client.closed)[0]).toBe(4400);
  });

  test("is closed when an operation's id is no name but a burden", async () => {
    const client = await connectReady();
    client.say(subscribe("x".repeat(limits.idLengthMax), "{ hello }"));
    expect((await client.hear()).type).toBe("next");
    client.say(subscribe("x".repeat(limits.idLengthMax + 1), "{ hello }"));
    expect((await client.closed)[0]).toBe(4400);
  });

  test("gets a pong without what its ping carried", async () => {
    const client = await connectReady();
    client.say({ type: "ping", payload: { pad: "x" } });
    expect(await client.hear()).toEqual({ type: "pong" });
  });

  test("is closed when a message comes in a flood of fragments", async () => {
    const client = await connectReady();
    for (let index = 0; index <= limits.webSocketFragmentsMax; index++) client.socket.send("x", { fin: false });
    expect((await client.closed)[0]).toBe(1008);
  });

  test("is cut when it does not answer pings", async () => {
    const client = await connect(edge.wsUrl, { autoPong: false });
    client.say({ type: "connection_init" });
    expect((await client.closed)[0]).toBe(1006);
  });

  test("has a bounded number of operations open, and others go on", async () => {
    edge.toy.ticks = () => silent();
    const client = await connectReady();
    const query = "subscription { ticks { cursor } }";
    for (let index = 0; index < limits.webSocketOperationsMax; index++) client.say(subscribe(`s${index}`, query));
    client.say(subscribe("one more", query));
    const refused = await client.hear();
    expect([refused.id, refused.type, codeOf(refused)]).toEqual(["one more", "error", "TOO_MANY_OPERATIONS"]);
    client.say({ id: "s0", type: "complete" });
    client.say(subscribe("again", "{ hello }"));
    expect((await client.hear()).payload).toEqual({ data: { hello: "Hello undefined" } });
  });

  test("obeys the same bounds and is masked the same way", async () => {
    const client = await connectReady();
    client.say(subscribe("deep", `{ ${"thing { ".repeat(20)} name ${"}".repeat(20)} }`));
    expect(codeOf(await client.hear())).toBe("QUERY_TOO_LARGE");
    client.say(subscribe("syntax", '{ hello "s3cret-canary" }'));
    const syntax = await client.hear();
    expect([syntax.type, codeOf(syntax)]).toEqual(["error", "GRAPHQL_PARSE_FAILED"]);
    expect(JSON.stringify(syntax)).not.toMatch(/s3cret-canary|"http"/);
    client.say(
      subscribe("variable", "query ($n: Int) { hello @include(if: true) thing(id: $n) { name } }", {
        n: "s3cret-canary",
      }),
    );
    expect(JSON.stringify(await client.hear())).not.toContain("s3cret-canary");
    edge.toy.boom = () => {
      throw new Error("select secret");
    };
    const again = await connectReady();
    again.say(subscribe("boom", "{ boom }"));
    const masked = await again.hear();
    expect(codeOf(masked)).toBe("INTERNAL");
    expect(JSON.stringify(masked)).not.toContain("select secret");
  });

  test("tells a source that breaks as a masked error, then completes", async () => {
    edge.toy.ticks = async function* () {
      yield { cursor: "c1", text: "one" };
      throw new Error("select secret");
    };
    const client = await connectReady();
    client.say(subscribe("1", "subscription { ticks { cursor } }"));
    await client.hear();
    expect(codeOf(await client.hear())).toBe("INTERNAL");
    expect(await client.hear()).toEqual({ id: "1", type: "complete" });
  });

  test("ends the stream of a token that was revoked", async () => {
    edge.toy.validTokens.add("Bearer soon-revoked");
    edge.toy.ticks = () => silent();
    const client = await connectReady("Bearer soon-revoked");
    client.say(subscribe("1", "subscription { ticks { cursor } }"));
    client.say(subscribe("2", "{ hello }"));
    await client.hear();
    await client.hear();
    edge.toy.validTokens.delete("Bearer soon-revoked");
    const last = await client.hear();
    expect([last.id, codeOf(last)]).toEqual(["1", "UNAUTHENTICATED"]);
    expect(await client.hear()).toEqual({ id: "1", type: "complete" });
  });

  test("is closed once its token is revoked, with a code after which clients connect again", async () => {
    edge.toy.validTokens.add("Bearer idle");
    const client = await connectReady("Bearer idle");
    const other = await connectReady("Bearer good");
    edge.toy.validTokens.delete("Bearer idle");
    expect(await client.closed).toEqual([4403, "The token is no longer valid."]);
    other.say(subscribe("1", "{ hello }"));
    expect((await other.hear()).type).toBe("next");
  });

  test("ends its sources when it is left, or completes one", async () => {
    const ended = { count: 0 };
    edge.toy.ticks = () => silent(() => ended.count++);
    const client = await connectReady();
    client.say(subscribe("1", "subscription { ticks { cursor } }"));
    client.say(subscribe("2", "subscription { ticks { cursor } }"));
    client.say({ id: "1", type: "complete" });
    await expect.poll(() => ended.count).toBe(1);
    client.socket.terminate();
    await expect.poll(() => ended.count).toBe(2);
  });
});

describe("the upgrade to a socket", () => {
  test("is refused to a page of another origin", async () => {
    expect(await refusedWith(edge.wsUrl, { origin: "https://evil.example" })).toBe(403);
    expect(await refusedWith(edge.wsUrl, { origin: "null" })).toBe(403);
  });

  test("is allowed to a page of our own", async () => {
    const client = await connect(edge.wsUrl, { origin: new URL(edge.url).origin });
    client.say({ type: "connection_init" });
    expect(await client.hear()).toEqual({ type: "connection_ack" });
  });

  test("is refused at another path", async () => {
    expect(await refusedWith(edge.wsUrl.replace("/graphql", "/"))).toBe(404);
  });

  test("ends at once for another protocol", async () => {
    const socket = new WebSocket(edge.wsUrl);
    const [code] = await once(socket, "close");
    expect(code).toBe(4406);
  });
});

describe("sockets without a token", () => {
  test("are bounded in number; one that leaves makes room", async () => {
    const many = await openToyEdge();
    const clients = await Promise.all(Array.from({ length: limits.webSocketsAnonymousMax }, () => connect(many.wsUrl)));
    for (const client of clients) client.say({ type: "connection_init" });
    for (const client of clients) await client.hear();
    const oneMore = await connect(many.wsUrl);
    oneMore.say({ type: "connection_init" });
    expect(await oneMore.closed).toEqual([4403, "Forbidden"]);
    const signedIn = await connect(many.wsUrl);
    signedIn.say({ type: "connection_init", payload: { authorization: "Bearer good" } });
    expect(await signedIn.hear()).toEqual({ type: "connection_ack" });
    clients[0]?.socket.close();
    await clients[0]?.closed;
    const later = await connect(many.wsUrl);
    later.say({ type: "connection_init" });
    expect(await later.hear()).toEqual({ type: "connection_ack" });
    await many.close();
  });
});

describe("a server that is stopping", () => {
  test("begins no operation on open sockets, lets the running ones go on, and closes as going away", async () => {
    const stopping = await openToyEdge();
    const pushes: ((value: unknown) => void)[] = [];
    stopping.toy.ticks = () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise((resolve) => pushes.push((value) => resolve({ done: false, value }))),
      }),
    });
    const client = await connect(stopping.wsUrl);
    client.say({ type: "connection_init" });
    await client.hear();
    client.say(subscribe("1", "subscription { ticks { cursor } }"));
    await expect.poll(() => pushes.length).toBe(1);
    await stopping.refuseNewWork();
    client.say(subscribe("2", "{ hello }"));
    expect(codeOf(await client.hear())).toBe("UNAVAILABLE");
    pushes[0]?.({ cursor: "c1" });
    expect((await client.hear()).payload).toEqual({ data: { ticks: { cursor: "c1" } } });
    await stopping.close();
    expect((await client.closed)[0]).toBe(1001);
  });
});
