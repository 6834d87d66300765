import { once } from "node:events";
import { connect as connectTo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Admit } from "../../src/graphql/admission.ts";
import { codeOf, connect, subscribe, terminateAll } from "./raw-socket.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
let proxied: ToyEdge;
let waitMs = 0;
const asked: Parameters<Admit>[0][] = [];
const admit: Admit = async (caller) => {
  asked.push(caller);
  return waitMs;
};
const posts = { "/things": async () => ({ status: 202, body: {} }) };

beforeAll(async () => {
  edge = await openToyEdge({ admit, posts });
  proxied = await openToyEdge({ admit, trustedProxies: ["127.0.0.1"] });
});
afterAll(async () => {
  terminateAll();
  await edge.close();
  await proxied.close();
});
beforeEach(() => {
  waitMs = 0;
  asked.length = 0;
});

describe("a caller that has to wait", () => {
  test("is told by HTTP for how long, before anything of the request is read", async () => {
    waitMs = 1_001;
    const response = await fetch(edge.url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer good" },
      body: "not even JSON",
    });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: "Too many requests; try again in 2 s.",
          extensions: { code: "RATE_LIMITED", retryAfterMs: 1_001 },
        },
      ],
    });
  });

  test.each([
    ["a query by GET", "?query={hello}", {}],
    ["an event stream", "?query=subscription{ticks{cursor}}", { accept: "text/event-stream" }],
  ])("is refused %s", async (_what, query, headers) => {
    waitMs = 1;
    expect((await fetch(edge.url + query, { headers })).status).toBe(429);
  });

  test("is refused at a room's own path in its own words", async () => {
    waitMs = 60_000;
    const response = await fetch(edge.url.replace("graphql", "things"), { method: "POST", body: "{}" });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "60"]);
    expect(await response.json()).toEqual({
      code: "rate_limited",
      message: "Too many requests; try again in 60 s.",
      retryAfterMs: 60_000,
    });
  });

  test("is refused one operation on a socket, which lives", async () => {
    const client = await connect(edge.wsUrl);
    client.say({ type: "connection_init", payload: { authorization: "Bearer good" } });
    await client.hear();
    waitMs = 5;
    client.say(subscribe("1", "{ hello }"));
    const refused = await client.hear();
    expect([refused.id, refused.type, codeOf(refused)]).toEqual(["1", "error", "RATE_LIMITED"]);
    expect(JSON.stringify(refused.payload)).toContain('"retryAfterMs":5');
    waitMs = 0;
    client.say(subscribe("2", "{ hello }"));
    expect((await client.hear()).payload).toEqual({ data: { hello: "Hello undefined" } });
  });

  test("may open no socket", async () => {
    const client = await connect(edge.wsUrl);
    waitMs = 1;
    client.say({ type: "connection_init" });
    expect((await client.closed)[0]).toBe(4403);
  });

  test("still hears whether the server lives and is ready", async () => {
    waitMs = 1_000;
    for (const path of ["/health", "/ready", "/api/actions/schema"]) {
      expect((await fetch(edge.url.replace("/graphql", path))).status).toBe(200);
    }
  });
});

describe("a client that goes away while it is looked who it is", () => {
  test.each(["graphql", "things"])("is no request under way for ever: /%s", async (path) => {
    const looking = Promise.withResolvers<void>();
    const looked = Promise.withResolvers<number>();
    const slow = await openToyEdge({
      posts,
      admit: () => {
        looking.resolve();
        return looked.promise;
      },
    });
    const socket = connectTo(slow.port, "127.0.0.1");
    const head = `POST /${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
    socket.write(head);
    await looking.promise;
    const gone = once(socket, "close");
    socket.destroy();
    await gone;
    await expect.poll(() => slow.toy.logged.join()).toContain("edge.request_lost");
    looked.resolve(0);
    await expect.poll(() => slow.toy.logged.join()).toContain("edge.client_gone");
    await slow.close();
  });
});

describe("who asks is told", () => {
  test("by token and address, once for each operation", async () => {
    await edge.post("{ hello }", {}, { authorization: "Bearer good" });
    expect(asked).toEqual([{ authorization: "Bearer good", address: "127.0.0.1" }]);
  });

  test("by what the connection's parameters say, on a socket", async () => {
    const client = await connect(edge.wsUrl);
    client.say({ type: "connection_init", payload: { authorization: "Bearer good" } });
    await client.hear();
    expect(asked).toEqual([{ authorization: "Bearer good", address: "127.0.0.1" }]);
  });

  test.each([
    ["203.0.113.9", "203.0.113.9"],
    // Whoever sends this wrote the first one: the proxy has added the last.
    ["10.9.9.9, 203.0.113.9", "203.0.113.9"],
    ["203.0.113.9, 127.0.0.1", "203.0.113.9"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8::1", "2001:db8:0:0"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
    ["unknown", "127.0.0.1"],
    ["", "127.0.0.1"],
  ])("by X-Forwarded-For: %j of a proxy that is trusted", async (forwarded, address) => {
    await proxied.post("{ hello }", {}, { "x-forwarded-for": forwarded });
    expect(asked[0]?.address).toBe(address);
  });

  test("not by X-Forwarded-For of anybody else", async () => {
    await edge.post("{ hello }", {}, { "x-forwarded-for": "203.0.113.9" });
    expect(asked[0]?.address).toBe("127.0.0.1");
  });

  test("is refused to begin with proxies that are no addresses", async () => {
    for (const proxy of ["balancer.example", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/8/8"]) {
      const opened = openToyEdge({ trustedProxies: [proxy] });
      await expect(opened).rejects.toThrow("TRUSTED_PROXIES");
    }
  });
});
